//! Floor 1: one sample as an HTML article: its frames with objects, semantics, depth, pairs, and what is known about it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use suw_shared::class::SemanticClass;
use suw_shared::image_size::ImageSize;
use suw_shared::sample::Sample;

use crate::align::explain::Unaligned;
use crate::page::canvas::colored_depth;
use crate::page::gallery::layers::depth_range;
use crate::page::gallery::marks::marks;
use crate::page::gallery::objects::{AlignTerms, loose, object_table, outlines, over};
use crate::page::gallery::unaligned;
use crate::page::html::escaped;
use crate::page::sample_pictures::{DEPTH_RANGE_M, FAR, NEAR};
use crate::quality::group_of;

/// What an article needs besides its sample.
#[derive(Clone, Debug)]
pub struct ArticleContext {
    /// Network size.
    pub size: ImageSize,
    /// `m`, or `units` where only the scene's own scale is known.
    pub unit: &'static str,
    /// Whether that unit is the metre.
    pub metric: bool,
    /// What the alignment asked for.
    pub terms: AlignTerms,
    /// Where depth comes from, as the header words it.
    pub depth_source: String,
}

/// Place of a picture of the sample with this position in its set, relative to the page.
pub fn picture_name(number: usize, what: &str) -> String {
    format!("pictures/{number:06}-{what}")
}

/// Name of the picture of frame `frame`.
pub fn frame_name(number: usize, frame: usize) -> String {
    picture_name(number, &format!("frame{frame}.jpg"))
}

/// Depth at the ends of the ramp that a sample's depth is drawn with; `None` where nothing is measured.
pub fn ramp(depth: &[f32], metric: bool) -> Option<(f32, f32)> {
    let (near, far) = depth_range(depth)?;
    let wide = |(near, far): (f32, f32)| if far > near { (near, far) } else { (near, near * 2.0) };
    Some(if metric { DEPTH_RANGE_M } else { wide((near, far)) })
}

/// The article of the sample with position `number` in its set; `left` are the detections that are no objects, where known.
pub fn article(
    sample: &Sample,
    number: usize,
    context: &ArticleContext,
    left: Option<&[Unaligned]>,
) -> String {
    let frames = sample.image.len() / (3 * context.size.area());
    let mut out = format!(
        "<article class=\"sample\" id=\"s{number}\" data-words=\"{}\">\n<header><h2>{} <small>{}</small></h2>{}</header>\n",
        escaped(&words(sample)),
        escaped(sample.key.stem()),
        escaped(sample.key.scene()),
        facts(sample, context)
    );
    out.push_str(&frame_section(sample, number, frames, context, left));
    out.push_str(&map_section(sample, number, frames / 2, context));
    out.push_str(&pair_section(sample, number, frames / 2, context));
    out + "</article>\n"
}

/// Words that a search finds a sample by.
pub fn words(sample: &Sample) -> String {
    let mut words = BTreeSet::new();
    for row in sample.objects.iter().flat_map(|objects| &objects.rows) {
        words.insert(row.class.name());
    }
    let n = sample.objects.as_ref().map_or(0, |objects| objects.rows.len());
    if n == 0 {
        words.insert("no-objects");
    }
    for pair in sample.pairs.iter().flatten() {
        words.insert(group_of(pair).rule);
    }
    if sample.depth.iter().flatten().any(|&depth| depth > 0.0) {
        words.insert("depth");
    }
    let words: Vec<&str> = words.into_iter().collect();
    format!("{} {}", sample.key, words.join(" "))
}

fn facts(sample: &Sample, context: &ArticleContext) -> String {
    let window = sample.native_window;
    let mut facts = vec![format!(
        "picture {}, seen {} at ({}, {}), at network size {}",
        sample.native_size,
        window.size(),
        window.x,
        window.y,
        context.size
    )];
    match sample.intrinsics.filter(|k| k[0].is_finite()) {
        Some(k) => {
            facts.push(format!("fx {:.1}, fy {:.1}, cx {:.1}, cy {:.1}", k[0], k[4], k[2], k[5]))
        }
        None => facts.push("camera not known".to_owned()),
    }
    for (pose, name) in sample.pose.iter().flatten().zip(["t-1", "t+1"]) {
        if pose[3].is_finite() {
            let step = (pose[3].powi(2) + pose[7].powi(2) + pose[11].powi(2)).sqrt();
            facts.push(format!("{step:.2} {} to {name}", context.unit));
        }
    }
    if let Some(gt) = &sample.gt {
        facts.push(format!("{} points of ground truth", gt.len()));
    }
    format!("<p class=\"facts\">{}</p>", escaped(&facts.join("; ")))
}

/// A picture with layers over it; `caption` is HTML.
fn figure(class: &str, size: ImageSize, picture: &str, layers: &str, caption: &str) -> String {
    format!(
        "<figure class=\"{class}\"><div class=\"stack\" style=\"aspect-ratio:{}/{}\"><img class=\"base\" loading=\"lazy\" \
         alt=\"\" src=\"{picture}\">{layers}</div><figcaption>{caption}</figcaption></figure>",
        size.width, size.height
    )
}

fn frame_section(
    sample: &Sample,
    number: usize,
    frames: usize,
    context: &ArticleContext,
    left: Option<&[Unaligned]>,
) -> String {
    let size = context.size;
    let Some(objects) = &sample.objects else {
        let caption = "The frame. This set stores no objects: a single picture has no motion.";
        return format!(
            "<section>{}</section>\n",
            figure("wide", size, &frame_name(number, frames / 2), "", caption)
        );
    };
    let (rest_outlines, rest_table) = match left {
        Some(left) => (unaligned::outlines(left, size), unaligned::table(left, &context.terms)),
        None => {
            let loose = loose(sample, objects, size);
            (loose.outlines(size), loose.text(&context.terms))
        }
    };
    let mut figures = String::new();
    for (frame, name) in ["t-1", "t, the target frame", "t+1"].into_iter().enumerate().take(frames)
    {
        let mut layers = outlines(objects, size, frame);
        if frame == frames / 2 {
            layers.push_str(&rest_outlines);
        }
        figures.push_str(&figure("zoom", size, &frame_name(number, frame), &layers, name));
    }
    format!(
        "<section><h3>Objects aligned over three frames</h3><div class=\"frames\">{figures}</div>\
         <div class=\"tables\"><div>{}</div><div>{}</div></div></section>\n",
        object_table(objects, size),
        rest_table
    )
}

fn map_section(sample: &Sample, number: usize, target: usize, context: &ArticleContext) -> String {
    let size = context.size;
    let base = frame_name(number, target);
    let layer = |what: &str| {
        format!(
            "<img class=\"layer\" loading=\"lazy\" alt=\"\" src=\"{}\">",
            picture_name(number, what)
        )
    };
    let mut figures = String::new();
    match &sample.semantic {
        Some(map) => figures.push_str(&figure(
            "zoom dim",
            size,
            &base,
            &layer("semantic.png"),
            &format!("<h3>Semantics</h3>{}", class_legend(map)),
        )),
        None => figures.push_str("<p class=\"none\">This set stores no semantic maps.</p>"),
    }
    match &sample.depth {
        None => figures.push_str("<p class=\"none\">This set stores no depth.</p>"),
        Some(depth) => match ramp(depth, context.metric) {
            Some(range) => figures.push_str(&figure(
                "zoom dark",
                size,
                &base,
                &layer("depth.png"),
                &depth_legend(depth, range, context),
            )),
            None => figures.push_str(&figure(
                "zoom dark",
                size,
                &base,
                "",
                "<h3>Depth</h3><p>Nothing is measured in this frame.</p>",
            )),
        },
    }
    if sample.ordinal.is_some() {
        let caption = format!(
            "<h3>Ordinal map</h3><p>{}foreground {}background</p>",
            swatch(NEAR),
            swatch(FAR)
        );
        figures.push_str(&figure("zoom dim", size, &base, &layer("ordinal.png"), &caption));
    }
    format!("<section class=\"maps\">{figures}</section>\n")
}

fn swatch([red, green, blue]: [u8; 3]) -> String {
    format!("<i class=\"swatch\" style=\"background:rgb({red},{green},{blue})\"></i>")
}

/// The classes of a map, the most frequent first, with their shares.
fn class_legend(map: &[u8]) -> String {
    let mut counts = [0_usize; 256];
    for &id in map {
        counts[usize::from(id)] += 1;
    }
    let mut found: Vec<(usize, Option<SemanticClass>)> = counts
        .iter()
        .enumerate()
        .filter(|&(_, &count)| count > 0)
        .map(|(id, &count)| (count, SemanticClass::from_id(id as u8)))
        .collect();
    found.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
    let entry = |&(count, class): &(usize, Option<SemanticClass>)| {
        let share = 100.0 * count as f64 / map.len().max(1) as f64;
        let share = if share < 1.0 { "<1".to_owned() } else { format!("{share:.0}") };
        let (color, name) =
            class.map_or(([128; 3], "unlabelled"), |class| (class.color(), class.name()));
        format!("<span>{}{name} {} %</span>", swatch(color), escaped(&share))
    };
    format!("<p class=\"legend\">{}</p>", found.iter().map(entry).collect::<String>())
}

fn depth_legend(depth: &[f32], (near, far): (f32, f32), context: &ArticleContext) -> String {
    const STOPS: usize = 9;
    let at = |share: f32| near * (far / near).powf(share);
    let stops: Vec<f32> = (0..STOPS).map(|i| at(i as f32 / (STOPS - 1) as f32)).collect();
    let colors = colored_depth(&stops, ImageSize::new(STOPS as u32, 1), near, far);
    let color = |&[red, green, blue]: &[u8; 3]| format!("rgb({red},{green},{blue})");
    let colors: Vec<String> = colors.data().as_chunks::<3>().0.iter().map(color).collect();
    let number = |value: f32| match value {
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    };
    let mut ticks = String::new();
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let _ = write!(ticks, "<span>{} {}</span>", number(at(share)), context.unit);
    }
    let measured = depth.iter().filter(|&&value| value > 0.0).count();
    format!(
        "<h3>Depth</h3><div class=\"ramp\" style=\"background:linear-gradient(to right,{})\"></div><div class=\"ticks\">{ticks}</div>\
         <p>{measured} of {} pixels are measured; source: {}</p>",
        colors.join(","),
        depth.len(),
        escaped(&context.depth_source)
    )
}

fn pair_section(sample: &Sample, number: usize, target: usize, context: &ArticleContext) -> String {
    let size = context.size;
    let Some(pairs) = &sample.pairs else {
        return "<section><p class=\"none\">This set stores no pairs.</p></section>\n".to_owned();
    };
    if pairs.is_empty() {
        return "<section><h3>Pairs</h3><p class=\"none\">No pair was found in this frame.</p></section>\n"
            .to_owned();
    }
    let svg = over(size, &marks(pairs, size, sample.depth.as_deref(), context.unit));
    format!(
        "<section class=\"pairs\"><h3>Pairs: the first is farther than the second</h3><div class=\"filters-here\"></div>{}</section>\n",
        figure(
            "wide dim marks",
            size,
            &frame_name(number, target),
            &svg,
            "<p class=\"told\">Point at a pair to read it. The hollow end is farther, the filled end is nearer.</p>"
        )
    )
}

#[cfg(test)]
mod tests {
    use suw_tests::samples;

    use super::*;

    fn context() -> ArticleContext {
        ArticleContext {
            size: samples::SIZE,
            unit: "m",
            metric: true,
            terms: AlignTerms { iou_above: 0.3, min_area: 100 },
            depth_source: "lidar".to_owned(),
        }
    }

    #[test]
    fn an_article_shows_what_its_sample_has() {
        let html = article(&samples::sample(0), 7, &context(), None);
        for text in [
            "id=\"s7\"",
            "pictures/000007-frame0.jpg",
            "pictures/000007-frame2.jpg",
            "pictures/000007-depth.png",
            "pictures/000007-semantic.png",
            "pictures/000007-ordinal.png",
            "fx 60.0, fy 61.0",
            "1.25 m to t-1",
            "1 points of ground truth",
            // 24 of 48 rows are road, less the car's ten rows of 14 and plus nothing: 1396 of 3072.
            "road 45 %",
            "2.0 m",
            "80 m",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert_eq!(html.matches("<g class=\"pair").count(), 6);
    }

    #[test]
    fn an_article_says_what_its_sample_lacks() {
        let html = article(&samples::bare_sample(3), 0, &context(), None);
        for text in ["no objects", "no semantic maps", "no depth", "no pairs"] {
            assert!(html.contains(text), "{text}: {html}");
        }
        let mut empty = samples::sample(2);
        empty.depth = Some(vec![0.0; samples::SIZE.area()]);
        empty.pairs = Some(vec![]);
        let html = article(&empty, 0, &context(), None);
        for text in ["Nothing is measured", "No pair was found", "camera not known"] {
            assert!(html.contains(text), "{text}: {html}");
        }
    }

    #[test]
    fn words_find_objects_rules_and_depth() {
        let words = words(&samples::sample(0));
        for word in ["street/drive_00", "car", "A", "same", "depth"] {
            assert!(words.split(' ').any(|found| found.contains(word)), "{word}: {words}");
        }
        assert!(super::words(&samples::bare_sample(0)).contains("no-objects"));
    }

    #[test]
    fn the_ramp_follows_the_scene_where_there_are_no_metres() {
        let mut depth = vec![0.0; 4];
        assert_eq!(ramp(&depth, true), None);
        depth[1] = 0.5;
        assert_eq!(ramp(&depth, true), Some(DEPTH_RANGE_M));
        assert_eq!(ramp(&depth, false), Some((0.5, 1.0)));
        depth[2] = 3.0;
        assert_eq!(ramp(&depth, false), Some((0.5, 3.0)));
    }
}
