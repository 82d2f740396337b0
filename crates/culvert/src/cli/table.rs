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
const NARROWEST: usize = 8;

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

    /// On a terminal the widest columns are cut, with an ellipsis, until a line fits; where that leaves too little of
    /// them, each row is a block of lines, one for each column.
    pub(crate) fn render(&self, screen: &Screen) -> String {
        let natural = widths(std::iter::once(&self.header).chain(&self.rows), self.header.len());
        match fit(natural, screen.width) {
            Ok(widths) => self.columns(&widths, screen),
            Err(_) => self.blocks(screen),
        }
    }

    fn columns(&self, widths: &[usize], screen: &Screen) -> String {
        let header = line(&self.header, widths, |text| if screen.colours { bold(text) } else { text.to_owned() });
        let rows = self
            .rows
            .iter()
            .map(|row| line(row, widths, |text| if screen.colours { paint(text) } else { text.to_owned() }));
        std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n")
    }

    fn blocks(&self, screen: &Screen) -> String {
        let pair = |(name, cell): (&String, &String)| [name.clone(), cell.clone()];
        let block = |row: &Vec<String>| self.header.iter().zip(row).map(pair).collect();
        let blocks: Vec<Vec<[String; 2]>> = self.rows.iter().map(block).collect();
        let (Ok(widths) | Err(widths)) = fit(widths(blocks.iter().flatten(), 2), screen.width);
        let paint = |text: &str| if screen.colours { paint(text) } else { text.to_owned() };
        let block = |pairs: &Vec<[String; 2]>| {
            pairs.iter().map(|pair| line(pair, &widths, paint)).collect::<Vec<_>>().join("\n")
        };
        blocks.iter().map(block).collect::<Vec<_>>().join("\n\n")
    }
}

fn widths<'r>(rows: impl Iterator<Item = &'r (impl AsRef<[String]> + 'r)>, columns: usize) -> Vec<usize> {
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = (*width).max(cell.width());
        }
    }
    widths
}

/// So much less that a line fits; as an error if it does not even then.
fn fit(mut widths: Vec<usize>, most: Option<usize>) -> Result<Vec<usize>, Vec<usize>> {
    let Some(most) = most else { return Ok(widths) };
    let room = most.saturating_sub(GAP * widths.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        match widths.iter_mut().max().filter(|widest| **widest > NARROWEST) {
            Some(widest) => *widest -= 1,
            None => return Err(widths),
        }
    }
    Ok(widths)
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
pub(crate) fn cut(text: &str, width: usize) -> String {
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
    }

    #[test]
    fn where_columns_would_say_nothing_each_row_is_a_block() {
        let expected = "\
NAME    web
ID      7b0c7d5a-…
STATUS  ACTIVE

NAME    Größe 大
ID      b
STATUS  DOWN";
        assert_eq!(table().render(&Screen { width: Some(18), colours: false }), expected);
        let coloured = table().render(&Screen { width: Some(18), colours: true });
        assert_eq!(coloured.lines().nth(2), Some("STATUS  \x1b[32mACTIVE\x1b[0m"));
    }

    #[test]
    fn every_line_fits() {
        let row = (0..7).map(|column| "0123456789".repeat(column + 1));
        let table = Table::new((0..7).map(|column| format!("COLUMN {column}")), [row.collect::<Vec<_>>()]);
        for width in 20..200 {
            let text = table.render(&Screen { width: Some(width), colours: false });
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
        }
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
