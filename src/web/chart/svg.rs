//! An SVG image as text, element by element. Every attribute and word is escaped here.

use std::fmt::{Display, Write};

use serde::{Serialize, Serializer};

use super::Named;

/// A finished image: SVG that is safe to stand in a page as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing(String);

#[cfg(test)]
impl Drawing {
    /// The element.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For templates: text that is not to be escaped once more.
impl Serialize for Drawing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        minijinja::Value::from_safe_string(self.0.clone()).serialize(serializer)
    }
}

/// An image in the making.
pub(super) struct Svg(String);

impl Svg {
    /// An empty image of this size, with its name and description.
    pub fn new(width: f64, height: f64, named: Named<'_>) -> Svg {
        let Named { id, title, description } = named;
        let (id, title, description) = (escaped(id), escaped(title), escaped(description));
        Svg(format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
             <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{description}</desc>"
        ))
    }

    /// One element; `tip` is shown where it is pointed at.
    pub fn shape(&mut self, name: &str, class: &str, attributes: &[(&str, &dyn Display)], tip: Option<&str>) {
        let attributes = attributes.iter().map(|(key, value)| format!(" {key}=\"{}\"", escaped(&value.to_string())));
        let open = format!("<{name} class=\"{}\"{}", escaped(class), attributes.collect::<String>());
        self.push(&match tip {
            Some(tip) => format!("{open}><title>{}</title></{name}>", escaped(tip)),
            None => format!("{open}/>"),
        });
    }

    /// A rectangle with a size.
    pub fn rectangle(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), tip: Option<&str>) {
        let size = (Number(width.max(0.0)), Number(height.max(0.0)));
        self.shape(
            "rect",
            class,
            &[("x", &Number(x)), ("y", &Number(y)), ("width", &size.0), ("height", &size.1)],
            tip,
        );
    }

    /// A point, as a disc that can be seen.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, tip: Option<&str>) {
        self.shape("circle", "dot", &[("cx", &Number(x)), ("cy", &Number(y)), ("r", &radius)], tip);
    }

    /// A straight line.
    pub fn rule(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let ends = [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)].map(|(key, value)| (key, Number(value)));
        let ends: Vec<(&str, &dyn Display)> = ends.iter().map(|(key, value)| (*key, value as &dyn Display)).collect();
        self.shape("line", class, &ends, None);
    }

    /// A line through points, which ends where a run of them ends.
    pub fn path(&mut self, class: &str, runs: &[Vec<(f64, f64)>]) {
        let mut path = String::new();
        for run in runs {
            for (index, (x, y)) in run.iter().enumerate() {
                // Writing into a string never fails.
                let _ = write!(path, "{}{} {}", if index == 0 { 'M' } else { 'L' }, Number(*x), Number(*y));
            }
        }
        if !path.is_empty() {
            self.shape("path", class, &[("d", &path)], None);
        }
    }

    /// An area between a line and another, for each run of points: x, and the two ends.
    pub fn area(&mut self, class: &str, runs: &[Vec<(f64, f64, f64)>]) {
        let there = |run: &Vec<(f64, f64, f64)>| run.iter().map(|(x, one, _)| (*x, *one)).collect::<Vec<_>>();
        let back = |run: &Vec<(f64, f64, f64)>| run.iter().rev().map(|(x, _, other)| (*x, *other)).collect::<Vec<_>>();
        self.path(class, &runs.iter().map(|run| [there(run), back(run)].concat()).collect::<Vec<_>>());
    }

    /// Words at a place; `anchor` as SVG names it.
    pub fn words(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, words: &str) {
        let (x, y, words) = (Number(x), Number(y), escaped(words));
        self.push(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>"));
    }

    /// The whole.
    pub fn finish(mut self) -> Drawing {
        self.push("</svg>");
        Drawing(self.0)
    }

    fn push(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

/// A length or place, to a tenth: less is not seen.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Adding zero makes a negative zero a plain one.
        write!(f, "{}", (self.0 * 10.0).round() / 10.0 + 0.0)
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_stays_within_its_element() {
        let nasty = "\"><script>alert('x')</script>&amp;";
        let mut svg = Svg::new(10.0, 10.0, Named { id: nasty, title: nasty, description: nasty });
        svg.shape("rect", nasty, &[("x", &nasty)], Some(nasty));
        svg.words("label", (0.0, 0.0), "middle", nasty);
        let drawing = svg.finish();
        let text = drawing.as_str();
        assert!(!text.contains("<script") && !text.contains("\"><s"), "{text}");
        assert_eq!(text.matches("&quot;&gt;&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;amp;").count(), 10);
    }

    #[test]
    fn places_are_told_to_a_tenth_and_lines_break_where_runs_end() {
        let mut svg = Svg::new(10.0, 10.0, Named { id: "a", title: "A", description: "" });
        svg.path("line", &[vec![(0.0, 1.0), (1.26, -0.01)], vec![(3.0, 4.0)]]);
        assert!(svg.finish().as_str().contains("d=\"M0 1L1.3 0M3 4\""));
    }
}
