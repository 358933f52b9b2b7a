//! Tables for people: columns as wide as they need to be, two spaces apart.

/// Lays out `rows` under `head`. Every row has as many cells as the head.
pub(crate) fn render<const COLUMNS: usize>(head: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head = line(head.iter().copied(), &widths);
    let rows = rows
        .iter()
        .map(|row| line(row.iter().map(String::as_str), &widths));
    std::iter::once(head).chain(rows).collect()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let padded = cells.zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let line = padded.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

/// `1 document`, `2 documents`, `2 prefixes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = match number {
        1 => "",
        _ if noun.ends_with('x') => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}
