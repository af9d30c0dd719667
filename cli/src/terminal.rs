//! Standard output: whether it is a terminal, how wide, whether with colour and which characters.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use crate::text::Line;

/// Characters to draw with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Where the loop comes back in.
    pub enter: &'static str,
    /// Beside the loop.
    pub rail: &'static str,
    /// Where the loop turns back.
    pub turn: &'static str,
    /// From one step to the next.
    pub down: &'static str,
    /// Before a version that wants to enter a stage.
    pub from: &'static str,
    /// An evaluation that was a breach.
    pub breach: &'static str,
    /// An evaluation that was none.
    pub clear: &'static str,
    /// Between figures.
    pub dot: &'static str,
    /// At the end of a line that was cut.
    pub cut: char,
}

impl Glyphs {
    pub const UNICODE: Self = Self {
        enter: "┌─▶ ",
        rail: "│   ",
        turn: "└── ",
        down: "▼",
        from: "◀ ",
        breach: "✗",
        clear: "✓",
        dot: " · ",
        cut: '…',
    };
    pub const ASCII: Self = Self {
        enter: "+-> ",
        rail: "|   ",
        turn: "+-- ",
        down: "v",
        from: "<- ",
        breach: "x",
        clear: ".",
        dot: ", ",
        cut: '~',
    };
}

/// Standard output.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// Whether a person looks at it, and it can be redrawn.
    pub interactive: bool,
    pub glyphs: Glyphs,
    colour: bool,
}

impl Terminal {
    /// Looks at standard output, `NO_COLOR`, `TERM` and the locale.
    pub fn detect(ascii: bool) -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let interactive =
            io::stdout().is_terminal() && set("TERM").is_none_or(|term| term != "dumb");
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"));
        let unicode = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Self {
            interactive,
            glyphs: if unicode && !ascii {
                Glyphs::UNICODE
            } else {
                Glyphs::ASCII
            },
            colour: interactive && set("NO_COLOR").is_none(),
        }
    }

    /// A line of text.
    pub fn print(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// Lines, one after the other.
    pub fn print_lines(&self, lines: &[Line]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{}", self.text(line))?;
        }
        Ok(())
    }

    /// Lines instead of what is on the screen, cut to its size.
    pub fn redraw(&self, lines: &[Line]) -> io::Result<()> {
        let (width, height) = terminal_size::terminal_size().map_or((80, 24), |(width, height)| {
            (width.0.into(), height.0.into())
        });
        let mut screen = String::from("\x1b[H");
        for (number, line) in lines.iter().take(height).enumerate() {
            if number > 0 {
                screen.push_str("\r\n");
            }
            screen.push_str(&self.text(&line.clone().cut(width, self.glyphs.cut)));
            screen.push_str("\x1b[K");
        }
        screen.push_str("\x1b[J");
        let mut out = io::stdout().lock();
        out.write_all(screen.as_bytes())?;
        out.flush()
    }

    /// Leaves the picture where it is, with the cursor below it.
    pub fn leave(&self) -> io::Result<()> {
        self.print("")
    }

    fn text(&self, line: &Line) -> String {
        if self.colour {
            line.coloured()
        } else {
            line.plain()
        }
    }
}
