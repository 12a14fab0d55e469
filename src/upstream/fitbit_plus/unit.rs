//! Which metric of the catalogue each of the vendor's is, and the units in which it is understood. Pure data and
//! arithmetic: what is written in any other unit is left out in words, and never guessed.

use crate::metric::{self, Metric};

/// A metric of the vendor's, as the catalogue has it.
pub struct Known {
    /// Its name in results and health metrics (vendor's file v7.78.1, `metric_type`).
    pub vendor: &'static str,
    /// Its key in the catalogue.
    pub key: &'static str,
    /// The units it may come in.
    units: &'static [Spelt],
}

/// How a unit is spelt, in small letters without spaces, and what makes it the catalogue's: `(value - zero) * factor`.
struct Spelt {
    spelling: &'static str,
    factor: f64,
    zero: f64,
}

const fn same(spelling: &'static str) -> Spelt {
    times(spelling, 1.0)
}

const fn times(spelling: &'static str, factor: f64) -> Spelt {
    Spelt { spelling, factor, zero: 0.0 }
}

/// What has no unit may say so by none.
const BARE: Spelt = same("");

const POUND: f64 = 0.453_592_37;
/// The molar mass of glucose is 180.156 g/mol.
const GLUCOSE: f64 = 18.015_6;

const MASS: &[Spelt] = &[same("kg"), times("lb", POUND), times("lbs", POUND), times("g", 1e-3)];
const PERCENT: &[Spelt] = &[same("%"), same("percent")];
const PRESSURE: &[Spelt] = &[same("mmhg"), same("mm[hg]")];
const PER_DECILITRE: &[Spelt] = &[same("mg/dl")];
const LITRE: &[Spelt] = &[same("l"), times("ml", 1e-3)];
const NANOGRAM: &[Spelt] = &[same("ng/ml"), same("ug/l")];
const NANOGRAM_PER_DECILITRE: &[Spelt] = &[same("ng/dl")];
const PICOGRAM: &[Spelt] = &[same("pg/ml"), same("ng/l")];
const LEVEL: &[Spelt] = &[BARE];

/// Every metric of the vendor's but `blood_pressure`, which is two.
#[rustfmt::skip]
pub static KNOWN: &[Known] = &[
    known("weight",                      "weight",                      MASS),
    known("lean_body_mass",              "lean-body-mass",              MASS),
    // Its unit is part of what it is.
    known("body_mass_index",             "body-mass-index",             &[same("kg/m2"), same("kg/m²"), same("kg/m^2"), BARE]),
    known("body_fat_percentage",         "body-fat-percentage",         PERCENT),
    known("body_temperature",            "body-temperature",            &[
        same("°c"), same("c"), same("degc"), same("celsius"),
        fahrenheit("°f"), fahrenheit("f"), fahrenheit("degf"), fahrenheit("fahrenheit"),
    ]),
    known("blood_pressure_systolic",     "blood-pressure-systolic",     PRESSURE),
    known("blood_pressure_diastolic",    "blood-pressure-diastolic",    PRESSURE),
    known("blood_glucose",               "blood-glucose",               &[same("mg/dl"), times("mmol/l", GLUCOSE)]),
    known("heart_rate",                  "heart-rate",                  &[same("bpm"), same("beats/min"), same("beats/minute"), same("/min")]),
    known("oxygen_saturation",           "oxygen-saturation",           PERCENT),
    known("respiratory_rate",            "respiratory-rate",            &[same("br/min"), same("breaths/min"), same("breaths/minute"), same("/min")]),
    known("peripheral_perfusion_index",  "peripheral-perfusion-index",  PERCENT),
    known("peak_expiratory_flow_rate",   "peak-expiratory-flow-rate",   &[same("l/min"), times("l/s", 60.0)]),
    known("forced_expiratory_volume1",   "forced-expiratory-volume1",   LITRE),
    known("forced_vital_capacity",       "forced-vital-capacity",       LITRE),
    known("inhaler_usage",               "inhaler-usage",               &[BARE, same("count"), same("puffs"), same("times")]),
    known("nausea_level",                "nausea-level",                LEVEL),
    known("pain_level",                  "pain-level",                  LEVEL),
    known("hemoglobin_a1c",              "hemoglobin-a1c",              PERCENT),
    known("hdl_cholesterol",             "hdl-cholesterol",             PER_DECILITRE),
    known("ldl_cholesterol",             "ldl-cholesterol",             PER_DECILITRE),
    known("total_cholesterol",           "total-cholesterol",           PER_DECILITRE),
    known("triglycerides",               "triglycerides",               PER_DECILITRE),
    known("blood_urea_nitrogen",         "blood-urea-nitrogen",         PER_DECILITRE),
    known("creatinine",                  "creatinine",                  PER_DECILITRE),
    known("hemoglobin",                  "hemoglobin",                  &[same("g/dl"), times("g/l", 0.1)]),
    known("hematocrit",                  "hematocrit",                  PERCENT),
    known("total_serum_iron",            "total-serum-iron",            &[same("ug/dl"), same("mcg/dl")]),
    known("thyroid_stimulating_hormone", "thyroid-stimulating-hormone", &[same("miu/l"), same("mu/l"), same("uiu/ml"), same("uu/ml")]),
    known("free_thyroxine",              "free-thyroxine",              NANOGRAM_PER_DECILITRE),
    known("free_triiodothyronine",       "free-triiodothyronine",       PICOGRAM),
    known("total_triiodothyronine",      "total-triiodothyronine",      NANOGRAM_PER_DECILITRE),
    known("cd4_cell_count",              "cd4-cell-count",              &[same("cells/ul"), same("cells/mm3"), same("cells/mm^3"), same("/ul")]),
    known("hiv_viral_load",              "hiv-viral-load",              &[same("copies/ml")]),
    known("inr",                         "inr",                         &[BARE, same("inr"), same("ratio")]),
    known("free_testosterone",           "free-testosterone",           PICOGRAM),
    known("total_testosterone",          "total-testosterone",          NANOGRAM_PER_DECILITRE),
    known("c_reactive_protein",          "c-reactive-protein",          &[same("mg/l"), times("mg/dl", 10.0)]),
    known("prostate_specific_antigen",   "prostate-specific-antigen",   NANOGRAM),
    known("cotinine",                    "cotinine",                    NANOGRAM),
    known("c_peptide",                   "c-peptide",                   NANOGRAM),
];

/// The two halves of `blood_pressure`: where each stands, and what it is.
pub const PRESSURES: [(&str, &str); 2] =
    [("systolic", "blood_pressure_systolic"), ("diastolic", "blood_pressure_diastolic")];

const fn known(vendor: &'static str, key: &'static str, units: &'static [Spelt]) -> Known {
    Known { vendor, key, units }
}

const fn fahrenheit(spelling: &'static str) -> Spelt {
    Spelt { spelling, factor: 1.0 / 1.8, zero: 32.0 }
}

impl Known {
    /// The vendor's metric of this name.
    pub fn find(vendor: &str) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.vendor == vendor)
    }

    /// The row of the catalogue.
    pub fn metric(&self) -> Option<&'static Metric> {
        metric::find(self.key)
    }

    /// Whether it is understood without a unit.
    pub fn is_bare(&self) -> bool {
        self.units.iter().any(|unit| unit.spelling.is_empty())
    }

    /// A value in this unit, in the catalogue's.
    ///
    /// # Errors
    /// The unit is missing or none that is known, or nobody has such a value.
    pub fn convert(&self, value: f64, unit: Option<&str>) -> Result<f64, String> {
        let plain = |c: char| match c {
            'µ' | 'μ' => 'u',
            c => c.to_ascii_lowercase(),
        };
        let written = unit.unwrap_or_default();
        let spelling: String = written.chars().filter(|c| !c.is_whitespace()).take(32).map(plain).collect();
        let Some(spelt) = self.units.iter().find(|unit| unit.spelling == spelling) else {
            let shown: String = written.chars().filter(|c| !c.is_control()).take(32).collect();
            return Err(match spelling.is_empty() {
                true => "it has no unit".into(),
                false => format!("its unit {shown:?} is none that is known of it"),
            });
        };
        let exact = (spelt.factor, spelt.zero) == (1.0, 0.0);
        // So many digits that converting it back gives what was written.
        let value = if exact { value } else { ((value - spelt.zero) * spelt.factor * 1e6).round() / 1e6 };
        let plausible = self.metric().map(|metric| metric.unit.plausible());
        match plausible.is_some_and(|plausible| plausible.contains(&value)) {
            true => Ok(value),
            false => Err("it is not plausible".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_vendor_is_in_the_catalogue_and_has_a_unit() {
        for known in KNOWN {
            let metric = known.metric().unwrap_or_else(|| panic!("{}", known.key));
            assert!(!known.units.is_empty(), "{}", known.key);
            assert_eq!(known.key, known.vendor.replace('_', "-"));
            // The catalogue's own unit is one of those understood, as it stands.
            if let Some(symbol) = metric.unit.symbol(crate::metric::System::Metric) {
                let value = if known.vendor == "body_temperature" { 37.0 } else { 5.0 };
                assert_eq!(known.convert(value, Some(symbol)), Ok(value), "{}", known.key);
            } else {
                assert!(known.is_bare(), "{}", known.key);
            }
        }
    }

    #[test]
    fn units_are_converted_and_unknown_ones_refused() {
        let convert = |vendor: &str, value: f64, unit: Option<&str>| {
            Known::find(vendor).map(|known| known.convert(value, unit)).unwrap_or(Err("unknown".into()))
        };
        assert_eq!(convert("weight", 170.0, Some("lb")), Ok(77.110_703));
        assert_eq!(convert("weight", 170.0, Some(" LBS")), Ok(77.110_703));
        assert_eq!(convert("body_temperature", 98.6, Some("°F")), Ok(37.0));
        assert_eq!(convert("blood_glucose", 5.0, Some("mmol/L")), Ok(90.078));
        assert_eq!(convert("total_serum_iron", 80.0, Some("μg/dL")), Ok(80.0));
        assert_eq!(convert("ldl_cholesterol", 121.0, Some("mg/dl")), Ok(121.0));
        assert_eq!(convert("inr", 2.5, None), Ok(2.5));
        for (vendor, value, unit, part) in [
            ("weight", 170.0, None, "no unit"),
            ("weight", 12.0, Some("stone"), "\"stone\""),
            ("ldl_cholesterol", 3.0, Some("mmol/l"), "none that is known"),
            ("weight", 17_000.0, Some("kg"), "not plausible"),
        ] {
            assert!(convert(vendor, value, unit).is_err_and(|why| why.contains(part)), "{vendor} {unit:?}");
        }
    }
}
