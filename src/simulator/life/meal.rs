//! Water and food that people log on some days.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::chance::{Chance, rounded};
use super::person::Person;

/// One glass or bottle.
#[derive(Debug, Clone, PartialEq)]
pub struct Drink {
    /// The service's number for it.
    pub id: u64,
    /// When it was logged.
    pub entered: DateTime<Utc>,
    /// Millilitres.
    pub millilitres: f64,
}

/// One food logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Food {
    /// The service's number for it.
    pub id: u64,
    /// When it was logged.
    pub entered: DateTime<Utc>,
    /// With which meal.
    pub meal: Meal,
    /// What it is.
    pub name: &'static str,
    /// Grams eaten.
    pub grams: f64,
    /// Energy in kcal.
    pub calories: u32,
    /// Grams of carbohydrates, fat, fibre and protein.
    pub nutrients: [f64; 4],
    /// Milligrams of sodium.
    pub sodium: f64,
}

/// Meals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Meal {
    Breakfast,
    Lunch,
    Snack,
    Dinner,
}

/// Name, and per 100 g: kcal, carbohydrates, fat, fibre, protein (g), sodium (mg).
type Dish = (&'static str, f64, [f64; 4], f64);

const DISHES: &[(Meal, i32, &[Dish])] = &[
    (
        Meal::Breakfast,
        470,
        &[
            ("Muesli with milk", 152.0, [24.0, 3.6, 2.6, 5.4], 62.0),
            ("Bread with cheese", 288.0, [29.0, 13.0, 2.7, 13.5], 510.0),
        ],
    ),
    (
        Meal::Lunch,
        750,
        &[("Lentil soup", 86.0, [12.0, 1.7, 3.4, 5.2], 240.0), ("Chicken salad", 121.0, [4.5, 6.0, 1.5, 12.2], 210.0)],
    ),
    (
        Meal::Snack,
        960,
        &[("Apple", 52.0, [13.8, 0.2, 2.4, 0.3], 1.0), ("Chocolate, milk", 535.0, [59.4, 29.7, 3.4, 7.7], 79.0)],
    ),
    (
        Meal::Dinner,
        1150,
        &[
            ("Pasta with tomato sauce", 131.0, [23.0, 2.2, 1.9, 4.6], 205.0),
            ("Rice with vegetables", 118.0, [21.5, 2.0, 1.8, 3.1], 170.0),
        ],
    ),
];

impl Person {
    pub(super) fn drinks(&self, date: NaiveDate) -> Vec<Drink> {
        let mut chance = Chance::new(self.key, date, "water");
        if date < self.joined || !chance.happens(0.6) {
            return Vec::new();
        }
        let glasses = chance.between(2, 6);
        let glass = |number: i32| Drink {
            id: 508_000_000 + date.num_days_from_ce() as u64 * 100 + number as u64,
            entered: self.instant(date, 8 * 60 + number * 125 + chance.between(0, 60)),
            millilitres: f64::from(chance.between(3, 10) * 50),
        };
        (0..glasses).map(glass).collect()
    }

    pub(super) fn foods(&self, date: NaiveDate) -> Vec<Food> {
        let mut chance = Chance::new(self.key, date, "food");
        if date < self.joined || !chance.happens(0.5) {
            return Vec::new();
        }
        let mut foods = Vec::new();
        for (number, (meal, minute, dishes)) in DISHES.iter().enumerate() {
            let (name, calories, nutrients, sodium) = dishes[chance.between(0, dishes.len() as i32 - 1) as usize];
            let grams = if *meal == Meal::Snack { chance.between(30, 150) } else { chance.between(240, 460) };
            let share = f64::from(grams) / 100.0;
            foods.push(Food {
                id: 18_200_000_000 + date.num_days_from_ce() as u64 * 10 + number as u64,
                entered: self.instant(date, minute + chance.between(-20, 40)),
                meal: *meal,
                name,
                grams: f64::from(grams),
                calories: (calories * share).round() as u32,
                nutrients: nutrients.map(|grams| rounded(grams * share, 2)),
                sodium: rounded(sodium * share, 1),
            });
        }
        foods
    }
}
