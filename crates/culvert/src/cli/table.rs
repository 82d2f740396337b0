//! Text in columns that fit the terminal. Pure.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::terminal::Screen;

/// Columns under a header.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: usize = 2;
/// No column is cut to less.
const NARROWEST: usize = 6;

impl Table {
    /// A row that is shorter than the header leaves the rest empty.
    pub(crate) fn new<H: Into<String>, R: IntoIterator<Item = String>>(
        header: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = R>,
    ) -> Table {
        let rows = rows.into_iter().map(|row| row.into_iter().map(|cell| printable(&cell)).collect());
        Table { header: header.into_iter().map(Into::into).collect(), rows: rows.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// On a terminal the widest columns are cut, with an ellipsis, until a line fits.
    pub(crate) fn render(&self, screen: &Screen) -> String {
        let widths = self.widths(screen.width);
        let header = line(&self.header, &widths, |text| if screen.colours { bold(text) } else { text.to_owned() });
        let rows = self
            .rows
            .iter()
            .map(|row| line(row, &widths, |text| if screen.colours { paint(text) } else { text.to_owned() }));
        std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n")
    }

    fn widths(&self, most: Option<usize>) -> Vec<usize> {
        let mut widths = vec![0; self.header.len()];
        for row in std::iter::once(&self.header).chain(&self.rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let Some(most) = most else { return widths };
        let room = most.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            match widths.iter_mut().max().filter(|widest| **widest > NARROWEST) {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
        widths
    }
}

fn line(cells: &[String], widths: &[usize], style: impl Fn(&str) -> String) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for (cell, width) in cells.iter().zip(widths) {
        let cell = cut(cell, *width);
        let blank = width.saturating_sub(cell.width()) + GAP;
        line.push_str(&" ".repeat(gap));
        line.push_str(&style(&cell));
        gap = blank;
    }
    line
}

/// As much of the text as fits, with an ellipsis for the rest.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars() {
        let Some(left) = room.checked_sub(c.width().unwrap_or_default()) else { break };
        room = left;
        kept.push(c);
    }
    kept + "…"
}

/// Names are anybody's: what would move the cursor or colour the screen is shown, not done.
fn printable(text: &str) -> String {
    let show = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// States at a glance; all else as it is.
fn paint(text: &str) -> String {
    let colour = match text {
        "ACTIVE" | "adopt" => 32,
        "BUILD" | "DOWN" | "change" => 33,
        "ERROR" | "binding_failed" => 31,
        _ => return text.to_owned(),
    };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |cells: [&str; 3]| cells.map(ToOwned::to_owned);
        let rows = [row(["web", "7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b", "ACTIVE"]), row(["Größe 大", "b", "DOWN"])];
        Table::new(["NAME", "ID", "STATUS"], rows)
    }

    #[test]
    fn nothing_is_cut_where_there_is_no_terminal() {
        let expected = "\
NAME      ID                                    STATUS
web       7b0c7d5a-2a6b-4f4e-9d3d-0d0c8e1f2a3b  ACTIVE
Größe 大  b                                     DOWN";
        assert_eq!(table().render(&Screen::PLAIN), expected);
        assert_eq!(table().render(&Screen { width: Some(200), colours: false }), expected);
    }

    #[test]
    fn the_widest_columns_are_cut_until_a_line_fits() {
        let expected = "\
NAME      ID              STATUS
web       7b0c7d5a-2a6b…  ACTIVE
Größe 大  b               DOWN";
        assert_eq!(table().render(&Screen { width: Some(32), colours: false }), expected);
        let narrow = table().render(&Screen { width: Some(10), colours: false });
        assert!(narrow.lines().nth(2).is_some_and(|line| line.starts_with("Größe…  b")), "{narrow}");
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let coloured = table().render(&Screen { width: Some(32), colours: true });
        let line = coloured.lines().nth(1).unwrap();
        assert_eq!(line, "web       7b0c7d5a-2a6b…  \x1b[32mACTIVE\x1b[0m");
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        let table = Table::new(["NAME"], [["\x1b[2J\nroot".to_owned()]]);
        assert_eq!(table.render(&Screen { width: None, colours: true }).lines().nth(1), Some("\\u{1b}[2J\\nroot"));
    }
}
