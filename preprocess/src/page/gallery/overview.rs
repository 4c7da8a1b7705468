//! Floor 1: the top of a gallery: figures of the whole set, the strip of samples, and the filters of pairs.

use std::fmt::Write as _;

use suw_shared::counts::ObjectCounts;
use suw_shared::image_size::ImageSize;
use suw_shared::sample::Sample;

use crate::page::gallery::article::{frame_name, words};
use crate::page::gallery::marks::{RULES, VERDICTS};
use crate::page::html::{cards, escaped};
use crate::quality::{GROUPS, Quality, Tally};

/// What a manifest says about its set.
#[derive(Clone, Debug)]
pub struct SetFacts {
    /// Data set.
    pub dataset: String,
    /// Split.
    pub split: String,
    /// Number of shards.
    pub shards: usize,
    /// Frames of a sample.
    pub frames: u32,
    /// Network size.
    pub size: ImageSize,
    /// What masks come from.
    pub masks: Vec<String>,
    /// Samples of all shards.
    pub samples: u64,
    /// Aligned objects by class.
    pub objects: ObjectCounts,
    /// Inputs that were set aside.
    pub set_aside: u64,
}

/// What was counted over the whole set.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Pairs and what depth says about them.
    pub quality: Quality,
    /// Samples with at least one aligned object.
    pub with_objects: usize,
    /// Pixels of target frames where any detection lies.
    pub movable: u64,
    /// Those that aligned objects cover.
    pub aligned: u64,
}

impl Totals {
    /// Counts one sample.
    pub fn add(&mut self, size: ImageSize, sample: &Sample) {
        self.quality.add(
            size,
            sample.pairs.as_deref().unwrap_or_default(),
            sample.depth.as_deref(),
        );
        let Some(objects) = &sample.objects else { return };
        self.with_objects += usize::from(!objects.rows.is_empty());
        let target = &objects.map[size.area()..2 * size.area()];
        for (&movable, &index) in objects.movable.iter().zip(target) {
            self.movable += u64::from(movable);
            self.aligned += u64::from(movable == 1 && index != 0);
        }
    }
}

/// Title, large figures, and the tables of pairs and objects.
pub fn overview(set: &SetFacts, totals: &Totals, shown: usize) -> String {
    let pairs: usize = totals.quality.tallies.iter().map(|tally| tally.pairs).sum();
    let confirmed: usize = totals.quality.tallies.iter().map(|tally| tally.confirmed).sum();
    let measured: usize = totals.quality.tallies.iter().map(Tally::measured).sum();
    let objects = set.objects;
    let percent = |part: u64, whole: u64| {
        if whole == 0 {
            "-".to_owned()
        } else {
            format!("{:.1} %", 100.0 * part as f64 / whole as f64)
        }
    };
    let n_objects = objects.car + objects.person + objects.bicycle;
    let figures = [
        (set.samples.to_string(), "samples"),
        (n_objects.to_string(), "aligned objects"),
        (pairs.to_string(), "pairs"),
        (percent(confirmed as u64, measured as u64), "of the measured pairs confirmed by depth"),
        (percent(totals.aligned, totals.movable), "of the detected pixels in aligned objects"),
        (set.set_aside.to_string(), "inputs set aside"),
    ];
    let figures: Vec<(String, String)> =
        figures.into_iter().map(|(value, word)| (value, word.to_owned())).collect();
    let masks = if set.masks.is_empty() { "none".to_owned() } else { set.masks.join(", ") };
    let mut out = format!(
        "<h1>{} <small>{}</small></h1><p>{} shards of {} frames at {}x{}; masks: {}. {} of {} samples are shown, spread evenly.</p>\n",
        escaped(&set.dataset),
        escaped(&set.split),
        set.shards,
        set.frames,
        set.size.width,
        set.size.height,
        escaped(&masks),
        shown,
        set.samples
    );
    out.push_str(&cards(&figures));
    let _ = writeln!(
        out,
        "<details open class=\"counts\"><summary>Pairs and objects of the whole set</summary><div class=\"tables\"><div>{}</div><div>{}</div></div></details>",
        pair_table(&totals.quality),
        object_counts(set, totals)
    );
    out
}

fn pair_table(quality: &Quality) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table><tr><th>rule</th><th>kind</th><th>pairs</th><th>measured</th><th>confirmed</th>\
         <th>contradicted</th><th>median gap</th></tr>",
    );
    let mut any = false;
    for (group, tally) in GROUPS.iter().zip(&quality.tallies).filter(|(_, tally)| tally.pairs > 0) {
        any = true;
        let share = |count| {
            tally.share(count).map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
        };
        let name = RULES.iter().find(|rule| rule.0 == group.rule).map_or(group.rule, |rule| rule.1);
        let _ = write!(
            out,
            "<tr><td><i class=\"dot r-{}\"></i>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}{}</td><td>{}</td><td>{}</td></tr>",
            group.rule,
            crate::page::gallery::marks::kind_name(group.kind),
            tally.pairs,
            tally.measured(),
            bar(tally.share(tally.confirmed)),
            share(tally.confirmed),
            share(tally.contradicted),
            tally.median_gap().map_or("-".to_owned(), |gap| format!("{gap:.1}")),
        );
    }
    if !any {
        return "<p class=\"none\">This set stores no pairs.</p>".to_owned();
    }
    out + "</table></div><p class=\"small\">A patch has the median of its measured pixels. Confirmed: the far end is deeper; contradicted: the near \
           end is more than 1.02 times as deep. Sky returns no laser pulse, so rule A cannot be held against LiDAR.</p>"
}

fn bar(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| {
        format!("<i class=\"bar\"><i style=\"width:{:.1}%\"></i></i>", 100.0 * share)
    })
}

fn object_counts(set: &SetFacts, totals: &Totals) -> String {
    if set.frames == 1 {
        return "<p class=\"none\">Single pictures have no aligned objects.</p>".to_owned();
    }
    let objects = set.objects;
    let rows = [("car", objects.car), ("person", objects.person), ("bicycle", objects.bicycle)];
    let most = rows.iter().map(|row| row.1).max().unwrap_or(0).max(1);
    let mut out = String::from(
        "<div class=\"scroll\"><table><tr><th>class</th><th>objects</th><th>a sample</th></tr>",
    );
    for (name, count) in rows {
        let _ = write!(
            out,
            "<tr><td>{name}</td><td>{}{count}</td><td>{:.2}</td></tr>",
            bar(Some(count as f64 / most as f64)),
            count as f64 / (set.samples.max(1)) as f64
        );
    }
    let _ = write!(
        out,
        "</table></div><p class=\"small\">{} of {} samples have an aligned object.</p>",
        totals.with_objects, set.samples
    );
    out
}

/// A small picture that leads to its sample.
pub fn thumbnail(sample: &Sample, number: usize, frames: usize) -> String {
    format!(
        "<a href=\"#s{number}\" data-words=\"{}\"><img loading=\"lazy\" alt=\"\" src=\"{}\"><span>{}</span></a>",
        escaped(&words(sample)),
        frame_name(number, frames / 2),
        escaped(sample.key.stem())
    )
}

/// Search, steps and the strip of thumbnails.
pub fn navigation(thumbnails: &str) -> String {
    format!(
        "<nav><div class=\"bar-row\"><button type=\"button\" id=\"before\" title=\"left arrow key\">&#8592;</button>\
         <output id=\"place\"></output><button type=\"button\" id=\"after\" title=\"right arrow key\">&#8594;</button>\
         <input type=\"search\" id=\"search\" placeholder=\"find: 0012, person, no-objects, C, depth\" aria-label=\"find samples\">\
         <label><input type=\"checkbox\" data-layer=\"object\" checked> objects</label>\
         <label><input type=\"checkbox\" data-layer=\"loose\" checked> not aligned</label>\
         <label class=\"veil\">layers <input type=\"range\" id=\"veil\" min=\"0\" max=\"100\" value=\"75\" aria-label=\"strength of layers\"></label>\
         </div><div class=\"strip\">{thumbnails}</div></nav>\n"
    )
}

/// Check boxes that hide groups of pairs; `present` are the rules that the shown samples have.
pub fn filters(present: &[&str]) -> String {
    let mut out = String::from("<div id=\"filters\" class=\"filters\">");
    let mut group = |name: &str, entries: &[(String, String, String, bool)]| {
        let _ = write!(out, "<fieldset><legend>{name}</legend>");
        for (class, word, title, on) in entries {
            let checked = if *on { " checked" } else { "" };
            let dot = if class.starts_with("r-") {
                format!("<i class=\"dot {class}\"></i>")
            } else {
                String::new()
            };
            let _ = write!(
                out,
                "<label title=\"{}\"><input type=\"checkbox\" data-hide=\"{class}\"{checked}> {dot}{word}</label>",
                escaped(title)
            );
        }
        out.push_str("</fieldset>");
    };
    let rules: Vec<_> = RULES
        .iter()
        .filter(|rule| present.contains(&rule.0))
        .map(|rule| (format!("r-{}", rule.0), rule.1.to_owned(), rule.2.to_owned(), true))
        .collect();
    group("rule", &rules);
    let plain = |prefix: &str, names: &[(&str, bool)]| -> Vec<_> {
        let entry = |&(name, on): &(&str, bool)| {
            let word = match name {
                "truth" => "ground truth",
                "map" => "ordinal map",
                "same" => "same class",
                "different" => "different classes",
                other => other,
            };
            (format!("{prefix}-{name}"), word.to_owned(), String::new(), on)
        };
        names.iter().map(entry).collect()
    };
    group("kind", &plain("k", &[("patch", true), ("pixel", false)]));
    let origins = [("different", true), ("same", true), ("truth", true), ("map", true)];
    let has = |name: &str| match name {
        "different" => ["A", "B", "C"].iter().any(|rule| present.contains(rule)),
        "same" => present.contains(&"same"),
        "truth" => present.contains(&"gt"),
        _ => present.contains(&"ordinal"),
    };
    let origins: Vec<_> = origins.into_iter().filter(|(name, _)| has(name)).collect();
    group("origin", &plain("o", &origins));
    group("depth says", &plain("v", &VERDICTS.map(|name| (name, true))));
    let more = (
        "more".to_owned(),
        "all of the pool".to_owned(),
        "else a few of each rule".to_owned(),
        false,
    );
    group("show", &[more]);
    out + "</div>\n"
}

#[cfg(test)]
mod tests {
    use suw_tests::samples;

    use super::*;

    #[test]
    fn totals_count_pixels_and_samples() {
        let mut totals = Totals::default();
        totals.add(samples::SIZE, &samples::sample(0));
        totals.add(samples::SIZE, &samples::bare_sample(1));
        assert_eq!((totals.with_objects, totals.movable, totals.aligned), (1, 196 + 12, 196));
        assert_eq!(totals.quality.samples, 2);
    }

    #[test]
    fn only_what_is_there_can_be_filtered() {
        let html = filters(&["A", "gt"]);
        for (class, there) in [("r-A", true), ("r-B", false), ("o-truth", true), ("o-map", false)] {
            assert_eq!(html.contains(&format!("data-hide=\"{class}\"")), there, "{class}");
        }
    }
}
