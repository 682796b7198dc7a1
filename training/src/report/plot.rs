//! Line plots as inline SVG: axes, grid, legend, and a title under the pointer for every point.

use std::fmt::Write;

use super::format::{escape, short};

/// Size of a plot in its own units; on the page it is as wide as its column.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 270.0;
/// Room for the labels of the axes.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Points that a line keeps; more would not be visible.
const MAX_POINTS: usize = 320;
/// Colours of the style sheet, after which lines are dashed.
const COLORS: usize = 8;

/// One line of a plot.
pub(crate) struct Line {
    /// Name in the legend.
    pub(crate) name: String,
    /// Points by ascending `x`; those that are not finite make a gap.
    pub(crate) points: Vec<(f64, f64)>,
    /// Drawn thin and pale, behind the others and without titles.
    pub(crate) is_faint: bool,
}

impl Line {
    /// A line of the usual strength.
    pub(crate) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, is_faint: false }
    }
}

/// Draws `lines` under `title` with the names of the axes; nothing at all if there are no points.
pub(crate) fn plot(title: &str, x_name: &str, y_name: &str, lines: &[Line]) -> String {
    let lines: Vec<Line> = lines.iter().map(thin_out).collect();
    let Some(frame) = Frame::around(&lines) else { return String::new() };
    let mut svg = String::new();
    frame.draw_axes(&mut svg, x_name);
    for (index, line) in lines.iter().enumerate() {
        frame.draw_line(&mut svg, line, index, x_name);
    }
    let title = escape(title);
    let y_name = escape(y_name);
    let legend = if lines.len() > 1 { legend(&lines) } else { String::new() };
    format!(
        "<figure><figcaption>{title} <small>{y_name}</small></figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">{svg}</svg>\
         {legend}</figure>\n"
    )
}

/// Exponentially smoothed `points`, without the pull towards zero at the start.
///
/// The memory is a hundredth of the line, and shorter at the start, where a loss falls fast. A
/// value that is not finite is passed over.
pub(super) fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let longest = (points.len() as f64 / 100.0).max(2.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let finite = points.iter().filter(|(_, y)| y.is_finite()).enumerate();
    let smoothed = finite.map(|(index, &(x, y))| {
        let memory = (index as f64 / 10.0).clamp(1.0, longest);
        let keep = 1.0 - 1.0 / memory;
        sum = keep * sum + y;
        weight = keep * weight + 1.0;
        (x, sum / weight)
    });
    smoothed.collect()
}

/// The part of the plane that a plot shows.
struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    y_ticks: Vec<f64>,
}

impl Frame {
    /// Finds room for every finite point; `None` if there is none.
    fn around(lines: &[Line]) -> Option<Self> {
        let points = || lines.iter().flat_map(|line| line.points.iter()).filter(|p| is_finite(p));
        let x = range(points().map(|&(x, _)| x))?;
        let y = range(points().map(|&(_, y)| y))?;
        let y_ticks = ticks(y.0, y.1, 5);
        let (low, high) = (*y_ticks.first()?, *y_ticks.last()?);
        Some(Self { x, y: (low.min(y.0), high.max(y.1)), y_ticks })
    }

    fn left(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn top(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (y - self.y.0) / (self.y.1 - self.y.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, svg: &mut String, x_name: &str) {
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for &tick in &self.y_ticks {
            let (top, text) = (self.top(tick), short(tick));
            push(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {top:.1}H{right}\"/>"));
            let (x, y) = (LEFT - 8.0, top + 4.0);
            push(svg, format_args!("<text class=\"y\" x=\"{x}\" y=\"{y:.1}\">{text}</text>"));
        }
        push(svg, format_args!("<path class=\"axis\" d=\"M{LEFT} {floor}H{right}\"/>"));
        let inside = |tick: &f64| (self.x.0..=self.x.1).contains(tick);
        for tick in ticks(self.x.0, self.x.1, 6).into_iter().filter(inside) {
            let (left, y, text) = (self.left(tick), floor + 18.0, short(tick));
            push(svg, format_args!("<path class=\"axis\" d=\"M{left:.1} {floor}v4\"/>"));
            push(svg, format_args!("<text class=\"x\" x=\"{left:.1}\" y=\"{y}\">{text}</text>"));
        }
        let (middle, y, name) = ((LEFT + right) / 2.0, HEIGHT - 4.0, escape(x_name));
        push(svg, format_args!("<text class=\"x\" x=\"{middle}\" y=\"{y}\">{name}</text>"));
    }

    fn draw_line(&self, svg: &mut String, line: &Line, index: usize, x_name: &str) {
        let mut path = String::new();
        let mut command = 'M';
        for point in &line.points {
            if is_finite(point) {
                let (left, top) = (self.left(point.0), self.top(point.1));
                push(&mut path, format_args!("{command}{left:.1} {top:.1}"));
                command = 'L';
            } else {
                command = 'M'; // a gap
            }
        }
        let class = class(line, index);
        push(svg, format_args!("<path class=\"line {class}\" d=\"{path}\"/>"));
        if !line.is_faint {
            self.draw_points(svg, line, &class, x_name);
        }
    }

    /// Draws the places that show a title: dots if there are few, else invisible ones.
    fn draw_points(&self, svg: &mut String, line: &Line, class: &str, x_name: &str) {
        let kind = if line.points.len() <= 40 { "dot" } else { "spot" };
        let radius = if line.points.len() <= 40 { 3 } else { 6 };
        for point in line.points.iter().filter(|point| is_finite(point)) {
            let (left, top) = (self.left(point.0), self.top(point.1));
            let (name, x, y) = (escape(&line.name), short(point.0), short(point.1));
            let x_name = escape(x_name);
            push(
                svg,
                format_args!(
                    "<circle class=\"{kind} {class}\" cx=\"{left:.1}\" cy=\"{top:.1}\" \
                     r=\"{radius}\"><title>{name}: {y} at {x_name} {x}</title></circle>"
                ),
            );
        }
    }
}

fn legend(lines: &[Line]) -> String {
    let entries = lines.iter().enumerate().map(|(index, line)| {
        let (class, name) = (class(line, index), escape(&line.name));
        format!(
            "<li><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"line {class}\" \
             d=\"M1 4H23\"/></svg>{name}</li>"
        )
    });
    format!("<ul class=\"legend\">{}</ul>", entries.collect::<String>())
}

fn class(line: &Line, index: usize) -> String {
    let color = index % COLORS + 1;
    let dashed = if index >= COLORS { " dashed" } else { "" };
    let faint = if line.is_faint { " faint" } else { "" };
    format!("c{color}{dashed}{faint}")
}

/// Keeps at most [`MAX_POINTS`] of a line, each the mean of its neighbourhood.
fn thin_out(line: &Line) -> Line {
    let size = line.points.len().div_ceil(MAX_POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let count = chunk.len() as f64;
        let sum = chunk.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    let points = line.points.chunks(size).map(mean).collect();
    Line { name: line.name.clone(), points, is_faint: line.is_faint }
}

/// Smallest and largest value, a little apart if they are one.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let extend = |range: Option<(f64, f64)>, value: f64| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    };
    let (low, high) = values.fold(None, extend)?;
    let room = if low == high { low.abs().max(1.0) * 0.1 } else { 0.0 };
    Some((low - room, high + room))
}

/// About `count` round numbers, from at most `low` to at least `high`.
fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step.into_iter().find(|&step| step >= rough).unwrap_or(10.0 * power);
    let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
    (first..=last).map(|tick| tick as f64 * step).collect()
}

fn is_finite(&(x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: &[f64], wanted: &[f64]) -> bool {
        ours.len() == wanted.len() && ours.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        assert!(close(&ticks(0.0, 10.0, 5), &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]));
        assert!(close(&ticks(2.3, 7.9, 5), &[2.0, 4.0, 6.0, 8.0]));
        assert!(close(&ticks(0.0, 0.0011, 5), &[0.0, 0.0005, 0.001, 0.0015]));
    }

    #[test]
    fn a_line_starts_and_ends_in_the_corners() {
        let line = Line::new("a", vec![(0.0, 0.0), (10.0, 10.0)]);
        let svg = plot("t", "step", "", &[line]);
        assert!(svg.contains("d=\"M58.0 230.0L546.0 12.0\""), "{svg}");
        assert!(svg.contains("<title>a: 10 at step 10</title>"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing_and_a_constant_is_a_line() {
        assert_eq!(plot("t", "step", "", &[]), "");
        assert_eq!(plot("t", "step", "", &[Line::new("a", vec![(1.0, f64::NAN)])]), "");
        let svg = plot("t", "step", "", &[Line::new("a", vec![(1.0, 5.0)])]);
        assert!(svg.contains("<circle") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn a_gap_is_left_where_there_is_no_number() {
        let line = Line::new("a", vec![(0.0, 1.0), (1.0, 1.5), (2.0, f64::NAN), (3.0, 2.0)]);
        let svg = plot("t", "step", "", &[line]);
        let path = svg.split("class=\"line c1\" d=\"").nth(1).expect("there is a line");
        let path = path.split('"').next().unwrap_or_default();
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }

    #[test]
    fn smoothing_keeps_a_constant_and_calms_a_zigzag() {
        let constant: Vec<_> = (0..200).map(|i| (f64::from(i), 3.0)).collect();
        assert!(smooth(&constant).iter().all(|(_, y)| (y - 3.0).abs() < 1e-9));
        let zigzag: Vec<_> = (0..200).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        assert!(smooth(&zigzag)[100..].iter().all(|(_, y)| (0.3..0.7).contains(y)));
    }

    #[test]
    fn a_long_line_keeps_its_ends_and_few_points() {
        let points: Vec<_> = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        let thin = thin_out(&Line::new("a", points));
        assert!(thin.points.len() <= MAX_POINTS, "{} points", thin.points.len());
        assert!(thin.points[0].0 < 50.0 && thin.points[thin.points.len() - 1].0 > 9950.0);
    }
}
