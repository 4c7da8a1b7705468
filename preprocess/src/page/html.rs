//! Floor 1: HTML of one self-contained page: text escaped, pictures inside, no script needed to read it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Style of every page.
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1d2230;--soft:#5c6479;--line:#d9dde8;--paper:#fbfbfd;--card:#fff;--hot:#c2410c}
@media(prefers-color-scheme:dark){:root{--ink:#e7e9f2;--soft:#9aa3ba;--line:#323849;--paper:#12151e;--card:#1a1f2c;--hot:#fb923c}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1180px;padding:2.5rem 1.5rem 5rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}h1{font-size:2rem;line-height:1.2;margin:0 0 .4rem}
h2{margin:3rem 0 .3rem;font-size:1.35rem}p{margin:.3rem 0 1rem;max-width:75ch;color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1.5rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.9rem 1.1rem}
.card b{display:block;font-size:1.55rem;font-weight:650;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.85rem}
.card.hot b{color:var(--hot)}.row{display:grid;gap:.6rem;margin:.6rem 0 1.4rem}
.row.two{grid-template-columns:repeat(auto-fit,minmax(420px,1fr))}.row.three{grid-template-columns:repeat(auto-fit,minmax(300px,1fr))}
figure{margin:0}
figure img{width:100%;display:block;border-radius:8px;border:1px solid var(--line);image-rendering:auto}
figcaption{overflow-wrap:anywhere;font-size:.82rem;color:var(--soft);padding:.25rem .1rem}table{border-collapse:collapse;width:100%;margin:.8rem 0 1.2rem;
font-variant-numeric:tabular-nums;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden}
th,td{padding:.5rem .8rem;text-align:right;border-top:1px solid var(--line)}tr:first-child th{border-top:0}
th{font-size:.82rem;color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left}tr.best td{font-weight:650}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin:0 .35em 0 .9em;vertical-align:-.05em}
code{font:.88em ui-monospace,Menlo,Consolas,monospace}svg{width:100%;height:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}
svg text{fill:var(--soft);font-size:12px}.scroll{overflow-x:auto}footer{margin-top:4rem;color:var(--soft);font-size:.85rem}";

/// Text with the five special characters escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The whole page around its body.
pub fn page(title: &str, body: &str) -> String {
    page_with(title, "", body, "")
}

/// A page with a style of its own after that of every page, and a script at its end; neither may come from data.
pub fn page_with(title: &str, style: &str, body: &str, script: &str) -> String {
    let script = match script {
        "" => String::new(),
        script => format!("<script>\n{script}</script>\n"),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{}</title><style>{STYLE}\n{style}</style></head>\n<body>\n{body}\n{script}</body></html>\n",
        escaped(title)
    )
}

/// A heading with a paragraph below it.
pub fn section(title: &str, text: &str) -> String {
    format!("<h2>{}</h2>\n<p>{}</p>\n", escaped(title), escaped(text))
}

/// Large figures with a word below each; the first is set off.
pub fn cards(figures: &[(String, String)]) -> String {
    let card = |(place, (value, word)): (usize, &(String, String))| {
        let hot = if place == 0 { " hot" } else { "" };
        format!(
            "<div class=\"card{hot}\"><b>{}</b><span>{}</span></div>",
            escaped(value),
            escaped(word)
        )
    };
    let cards: String = figures.iter().enumerate().map(card).collect();
    format!("<div class=\"cards\">{cards}</div>\n")
}

/// A PNG with a caption.
pub fn figure(png: &[u8], caption: &str) -> String {
    format!(
        "<figure><img loading=\"lazy\" alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption>{0}</figcaption></figure>",
        escaped(caption),
        STANDARD.encode(png)
    )
}

/// Figures side by side; `columns` is `two` or `three`.
pub fn row(columns: &str, figures: &[String]) -> String {
    format!("<div class=\"row {columns}\">{}</div>\n", figures.concat())
}

/// A table; `best` is the row to set in bold.
pub fn table(head: &[&str], rows: &[Vec<String>], best: Option<usize>) -> String {
    let head: String = head.iter().map(|cell| format!("<th>{}</th>", escaped(cell))).collect();
    let body: String = rows
        .iter()
        .enumerate()
        .map(|(place, cells)| {
            let class = if Some(place) == best { " class=\"best\"" } else { "" };
            let cells: String =
                cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
            format!("<tr{class}>{cells}</tr>")
        })
        .collect();
    format!("<div class=\"scroll\"><table><tr>{head}</tr>{body}</table></div>\n")
}

/// Colors with their meaning.
pub fn legend(entries: &[([u8; 3], &str)]) -> String {
    let entry = |([r, g, b], word): &([u8; 3], &str)| {
        format!("<i class=\"swatch\" style=\"background:rgb({r},{g},{b})\"></i>{}", escaped(word))
    };
    format!("<p>{}</p>\n", entries.iter().map(entry).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(
            escaped("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
        let page = page("a<b", &table(&["<th>"], &[vec!["<td>".to_owned()]], None));
        assert!(
            page.contains("a&lt;b") && page.contains("&lt;th&gt;") && page.contains("&lt;td&gt;")
        );
    }
}
