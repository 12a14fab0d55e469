//! Food and water: logs, series and goals.

use serde_json::{Value as Json, json};

use super::date::{Allowed, LONG_PERIODS};
use super::{Ask, Refusal, number, refusal};
use crate::simulator::life::{Food, Meal};

const CALORIE_GOAL: u32 = 2286;

pub(super) fn food_log(ask: &Ask, date: &str) -> Result<Json, Refusal> {
    let date = ask.date(date, false)?;
    ask.needs("nutrition")?;
    let foods = ask.known.foods(date);
    let water: f64 = ask.known.drinks(date).iter().map(|drink| drink.millilitres).sum();
    let sum = |of: fn(&Food) -> f64| number((foods.iter().map(of).sum::<f64>() * 100.0).round() / 100.0);
    let entries = foods.iter().map(|food| {
        let [carbohydrates, fat, fibre, protein] = food.nutrients.map(number);
        json!({
            "isFavorite": false,
            "logDate": date.to_string(),
            "logId": food.id,
            "loggedFood": {
                "accessLevel": "PUBLIC",
                "amount": number(food.grams),
                "brand": "",
                "calories": food.calories,
                "foodId": 18_828 + food.name.len() as u64,
                "locale": "en_US",
                "mealTypeId": meal_type(food.meal),
                "name": food.name,
                "unit": {"id": 147, "name": "gram", "plural": "grams"},
                "units": [226, 180, 147, 389],
            },
            "nutritionalValues": {
                "calories": food.calories,
                "carbs": carbohydrates,
                "fat": fat,
                "fiber": fibre,
                "protein": protein,
                "sodium": number(food.sodium),
            },
        })
    });
    let entries: Vec<Json> = entries.collect();
    Ok(json!({
        "foods": entries,
        "goals": {"calories": CALORIE_GOAL},
        "summary": {
            "calories": sum(|food| f64::from(food.calories)),
            "carbs": sum(|food| food.nutrients[0]),
            "fat": sum(|food| food.nutrients[1]),
            "fiber": sum(|food| food.nutrients[2]),
            "protein": sum(|food| food.nutrients[3]),
            "sodium": sum(|food| food.sodium),
            "water": number(water),
        },
    }))
}

pub(super) fn water_log(ask: &Ask, date: &str) -> Result<Json, Refusal> {
    let date = ask.date(date, false)?;
    ask.needs("nutrition")?;
    let drinks = ask.known.drinks(date);
    let sum: f64 = drinks.iter().map(|drink| drink.millilitres).sum();
    let entries: Vec<Json> =
        drinks.iter().map(|drink| json!({"amount": number(drink.millilitres), "logId": drink.id})).collect();
    Ok(json!({"summary": {"water": number(sum)}, "water": entries}))
}

pub(super) fn series(ask: &Ask, resource: &str, when: &[&str]) -> Result<Json, Refusal> {
    if !matches!(resource, "caloriesIn" | "water") {
        return Err(refusal::not_found());
    }
    ask.needs("nutrition")?;
    let allowed = Allowed { today: true, single: false, periods: LONG_PERIODS, days: Some(1095), points: true };
    let rows = ask.dates(ask.span(when, &allowed)?).map(|date| {
        let value = match resource {
            // Water always has a decimal point.
            "water" => format!("{:?}", ask.known.drinks(date).iter().map(|drink| drink.millilitres).sum::<f64>() + 0.0),
            _ => ask.known.foods(date).iter().map(|food| food.calories).sum::<u32>().to_string(),
        };
        json!({"dateTime": date.to_string(), "value": value})
    });
    Ok(json!({ format!("foods-log-{resource}"): rows.collect::<Vec<Json>>() }))
}

pub(super) fn food_goal(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("nutrition")?;
    Ok(json!({"goals": {"calories": CALORIE_GOAL}}))
}

pub(super) fn water_goal(ask: &Ask) -> Result<Json, Refusal> {
    ask.needs("nutrition")?;
    Ok(json!({"goal": {"goal": 1893, "startDate": ask.known.person.joined.to_string()}}))
}

/// The service's numbers of meals; 4 is the snack of the afternoon.
fn meal_type(meal: Meal) -> u32 {
    match meal {
        Meal::Breakfast => 1,
        Meal::Lunch => 3,
        Meal::Snack => 4,
        Meal::Dinner => 5,
    }
}
