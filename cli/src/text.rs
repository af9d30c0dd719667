//! Lines of toned text: what a renderer makes, before anybody knows whether there is colour.

use anstyle::{AnsiColor, Effects, Style};

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
    Good,
    /// Under way, or worth a look.
    Busy,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().effects(Effects::BOLD),
            Self::Faint => Style::new().effects(Effects::DIMMED),
            Self::Good => colour(AnsiColor::Green),
            Self::Busy => colour(AnsiColor::Yellow),
            Self::Bad => colour(AnsiColor::Red),
        }
    }
}

/// A piece of text in one tone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Span {
    pub text: String,
    pub tone: Tone,
}

impl Span {
    /// A piece of text. Control characters, which a status could carry from a log, become spaces:
    /// they must not reach a terminal.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Self {
            text: text.as_ref().chars().map(clean).collect(),
            tone,
        }
    }

    /// A piece of plain text.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Plain, text)
    }

    /// Number of characters.
    pub fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// Filled with spaces up to a width.
    pub fn padded(mut self, width: usize) -> Self {
        let missing = width.saturating_sub(self.width());
        self.text.push_str(&" ".repeat(missing));
        self
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Line(pub Vec<Span>);

impl Line {
    /// A line of one piece.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self(vec![Span::new(tone, text)])
    }

    /// Adds a piece.
    pub fn push(&mut self, tone: Tone, text: impl AsRef<str>) {
        self.0.push(Span::new(tone, text));
    }

    /// The text alone, without spaces at its end.
    pub fn plain(&self) -> String {
        let text: String = self.0.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// The text with terminal colours.
    pub fn coloured(&self) -> String {
        let mut text = String::new();
        for span in &self.0 {
            let style = span.tone.style();
            text.push_str(&format!("{style}{}{style:#}", span.text));
        }
        text
    }

    /// At most so many characters; what is cut ends in `mark`.
    pub fn cut(mut self, width: usize, mark: char) -> Self {
        let length: usize = self.0.iter().map(Span::width).sum();
        if length <= width {
            return self;
        }
        let mut room = width.saturating_sub(1);
        self.0.retain_mut(|span| {
            let kept: String = span.text.chars().take(room).collect();
            room -= kept.chars().count();
            span.text = kept;
            !span.text.is_empty()
        });
        self.push(Tone::Faint, mark.to_string());
        self
    }
}

/// Rows whose cells stand under each other, two spaces apart.
pub fn table(rows: Vec<Vec<Span>>) -> Vec<Line> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(Span::width).max().unwrap_or(0)
        })
        .collect();
    rows.into_iter()
        .map(|row| {
            let mut line = Line::default();
            for (column, cell) in row.into_iter().enumerate() {
                // A column that is empty in every row takes no place.
                if widths[column] > 0 {
                    line.0.push(cell.padded(widths[column] + 2));
                }
            }
            line
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_under_each_other() {
        let row = |a: &str, b: &str, c: &str| vec![Span::plain(a), Span::plain(b), Span::plain(c)];
        let lines = table(vec![row("a", "", "b"), row("long", "", "c")]);
        let text: Vec<_> = lines.iter().map(Line::plain).collect();
        assert_eq!(text, ["a     b", "long  c"]);
    }

    #[test]
    fn long_lines_are_cut_and_say_so() {
        let mut line = Line::new(Tone::Plain, "abc");
        line.push(Tone::Bad, "defgh");
        assert_eq!(line.clone().cut(8, '…').plain(), "abcdefgh");
        assert_eq!(line.clone().cut(5, '…').plain(), "abcd…");
        assert_eq!(line.cut(0, '…').plain(), "…");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let line = Line::new(Tone::Plain, "a\x1b[2Jb\nc");
        assert_eq!(line.plain(), "a [2Jb c");
    }

    #[test]
    fn colour_is_closed_again() {
        let text = Line::new(Tone::Bad, "x").coloured();
        assert!(
            text.starts_with("\x1b[31m") && text.ends_with("\x1b[0m"),
            "{text:?}"
        );
    }
}
