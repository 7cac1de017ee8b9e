//! The figures as Markdown tables.

use std::fmt;

use base::Grouped;

use super::Effort;
use super::contestant::Kind;
use super::spread::Spread;

/// One line of a table: the figures of every server, round by round.
pub struct Row {
    name: String,
    /// The ratio to nginx, or to itself, that is wanted at least.
    wanted: f64,
    figures: [Vec<f64>; Kind::ALL.len()],
}

impl Row {
    /// No figures yet.
    pub fn new(name: &str, wanted: f64) -> Self {
        Self { name: name.to_owned(), wanted, figures: Default::default() }
    }

    /// Adds the next round's figure of the server with this index in [`Kind::ALL`].
    pub fn add(&mut self, index: usize, figure: f64) {
        self.figures[index].push(figure);
    }

    fn of(&self, index: usize) -> Spread {
        Spread::new(self.figures[index].clone())
    }

    /// The ratios to nginx, which is first in [`Kind::ALL`].
    fn ratios(&self, index: usize) -> Spread {
        Spread::of_ratios(&self.figures[index], &self.figures[0])
    }
}

/// All that was measured.
pub struct Results {
    /// Requests a second.
    pub rows: Vec<Row>,
    /// Requests a second beside idle connections, divided by those without.
    pub idle: Row,
    /// Bytes for an idle connection.
    pub bytes: Row,
    /// How much was measured.
    pub effort: Effort,
    /// The engine that crore picks by itself here.
    pub picked: Kind,
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.speed(f)?;
        writeln!(f)?;
        self.connections(f)?;
        let picked = self.picked.name().trim_start_matches("crore, ");
        writeln!(f, "\nBy itself crore picks {picked} on this machine.")
    }
}

impl Results {
    fn speed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| requests a second |")?;
        for kind in Kind::ALL {
            write!(f, " {} |", kind.name())?;
            if kind != Kind::Nginx {
                write!(f, " ratio to nginx |")?;
            }
        }
        writeln!(f, " wanted |")?;
        writeln!(f, "| --- |{} ---: |", " ---: |".repeat(2 * Kind::ALL.len() - 1))?;
        for row in &self.rows {
            write!(f, "| {} |", row.name)?;
            for (index, kind) in Kind::ALL.iter().enumerate() {
                write!(f, " {} |", Grouped(row.of(index).median().round() as u64))?;
                if *kind != Kind::Nginx {
                    write!(f, " {} |", ratio(&row.ratios(index)))?;
                }
            }
            writeln!(f, " ≥ {:.1} |", row.wanted)?;
        }
        Ok(())
    }

    fn connections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effort { idle, measured, .. } = self.effort;
        let (idle, measured) = (Grouped(idle as u64), Grouped(measured as u64));
        writeln!(
            f,
            "| | requests a second beside {idle} idle connections ÷ without | bytes of memory for \
             an idle connection, over {measured} |"
        )?;
        writeln!(f, "| --- | ---: | ---: |")?;
        for (index, kind) in Kind::ALL.iter().enumerate() {
            let bytes = self.bytes.of(index);
            let (least, most) = (bytes.least(), bytes.greatest());
            writeln!(
                f,
                "| {} | {} | {:.0} ({least:.0}–{most:.0}) |",
                kind.name(),
                ratio(&self.idle.of(index)),
                bytes.median(),
            )?;
        }
        writeln!(f, "| wanted | ≥ {} | ≤ 128 |", self.idle.wanted)
    }
}

/// A ratio's median, and its least and greatest.
pub fn ratio(spread: &Spread) -> String {
    format!("**{:.2}** ({:.2}–{:.2})", spread.median(), spread.least(), spread.greatest())
}
