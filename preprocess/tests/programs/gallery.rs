//! The gallery of `inspect`: complete without anything from outside, and alive in a browser where there is one.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::kit::{Place, expect, files};

/// Every file that the page names.
fn named_pictures(html: &str) -> Vec<String> {
    let starts = html.split("src=\"").skip(1);
    starts.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_gallery_is_whole_and_names_nothing_outside() {
    let place = Place::new();
    place.make(0, "out", &[]);
    let (told, _) = expect(
        0,
        &["inspect", &place.text("out"), "--out", &place.text("gallery"), "--samples", "3"],
    );
    assert_eq!(told.trim(), place.text("gallery/index.html"));
    let html = fs::read_to_string(place.path("gallery/index.html")).unwrap();
    for outside in ["http:", "https:", "//cdn", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    // Positions 1, 4 and 6 of 8.
    assert_eq!(html.matches("<article ").count(), 3);
    for id in ["id=\"s1\"", "id=\"s4\"", "id=\"s6\""] {
        assert!(html.contains(id), "{id}");
    }
    let pictures = named_pictures(&html);
    assert!(pictures.len() > 15, "{pictures:?}");
    let there = files(&place.path("gallery"));
    for picture in &pictures {
        image::load_from_memory(&there[picture.as_str()]).unwrap();
    }
    // As many marks as the samples have pairs.
    let set = suw_shared::shard::ShardSet::open(&place.path("out")).unwrap();
    let pairs: usize = [1, 4, 6].map(|i| set.read(i).unwrap().pairs.unwrap().len()).iter().sum();
    assert_eq!(html.matches("<g class=\"pair ").count(), pairs);
    // The same set, the same page.
    expect(
        0,
        &["inspect", &place.text("out"), "--out", &place.text("again"), "--samples", "3", "-q"],
    );
    assert!(there == files(&place.path("again")));

    // With the masks, each detection that is no object says why.
    let masks = ["--masks", &place.text("world/masks")];
    let why = place.text("why");
    expect(
        0,
        &[&["inspect", &place.text("out"), "--out", &why, "--samples", "0"][..], &masks].concat(),
    );
    let html = fs::read_to_string(place.path("why/index.html")).unwrap();
    assert_eq!(html.matches("<article ").count(), 8);
    assert!(!html.contains("not stored which"), "reasons come from the masks");
    assert!(
        html.contains("<th>why not</th>") || html.contains("Every detection of the target frame")
    );

    let (_, error) =
        expect(2, &["inspect", &place.text("out"), "--out", &place.text("out/gallery")]);
    assert!(error.contains("outside of the shard set"), "{error}");
    expect(0, &["validate", "--deep", &place.text("out/manifest.json")]);
    let (_, error) = expect(2, &["inspect", &place.text("world"), "--out", &place.text("x")]);
    assert!(error.contains("expected a finished set"), "{error}");
}

fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// Opens a page without a window; gives the document as it is afterwards and what the browser said.
fn opened(browser: &str, page: &Path, profile: &Path) -> (String, String) {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// What a person does on the page, and what is to be seen afterwards.
const STORY: &str = r#"<script>
const told = {};
const place = () => document.getElementById("place").textContent;
const shown = () => [...document.querySelectorAll("article.sample")]
  .filter((one) => getComputedStyle(one).display !== "none").map((one) => one.id);
const marks = (query) => [...document.querySelectorAll("article.here .pair" + query)]
  .filter((one) => getComputedStyle(one).display !== "none").length;
const key = (name) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const tick = (name) => document.querySelector(`[data-hide="${name}"]`).click();
told.start = [place(), shown()];
key("ArrowRight");
told.right = [place(), shown()];
key("ArrowLeft");
told.left = [place(), shown()];
told.few = [marks(".r-A.k-patch"), marks(".k-pixel")];
tick("more");
told.all = [marks(".r-A.k-patch"), document.querySelectorAll("article.here .pair.r-A.k-patch").length];
tick("r-A");
told.without = [marks(".r-A"), marks(".r-B") > 0 || marks(".r-same") > 0];
tick("o-different");
told.same = [marks(".r-B"), marks(".r-C"), marks(".r-same.k-patch") > 0];
tick("k-pixel");
told.pixels = marks(".r-same.k-pixel") > 0;
const search = document.getElementById("search");
search.value = "0000000005";
search.dispatchEvent(new Event("input"));
told.search = [place(), document.querySelector("article.here h2").firstChild.textContent.trim()];
search.value = "nothing-like-it";
search.dispatchEvent(new Event("input"));
told.none = place();
const object = document.querySelector("[data-object]");
object.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
told.lit = [...object.closest("article").querySelectorAll("path.object.lit")].length;
const pair = document.querySelector("article .pair");
pair.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
told.pair = pair.closest("article").querySelector(".told").textContent;
told.broken = [...document.querySelectorAll("img")].filter((one) => one.complete && !one.naturalWidth).length;
document.title = JSON.stringify(told);
</script>"#;

#[test]
fn a_browser_shows_filters_and_finds_samples() {
    let Some(browser) = browser() else {
        println!("skipped: no Chromium");
        return;
    };
    let place = Place::new();
    place.make(0, "out", &[]);
    expect(0, &["inspect", &place.text("out"), "--out", &place.text("gallery"), "--samples", "0"]);
    let page = place.path("gallery/index.html");
    let html = fs::read_to_string(&page).unwrap();
    fs::write(&page, html.replace("</body>", &format!("{STORY}</body>"))).unwrap();
    let (document, said) = opened(browser, &page, &place.path("profile"));
    let errors: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let title = document.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    let told: Value =
        serde_json::from_str(title).unwrap_or_else(|e| panic!("{e}: {title}\n{said}"));
    assert_eq!(told["start"], serde_json::json!(["1 / 8", ["s0"]]), "{told}");
    assert_eq!(told["right"], serde_json::json!(["2 / 8", ["s1"]]), "{told}");
    assert_eq!(told["left"], told["start"], "{told}");
    let number = |value: &Value| value.as_u64().unwrap();
    assert!(number(&told["few"][0]) <= 6 && told["few"][1] == 0, "{told}");
    assert!(told["all"][0] == told["all"][1], "{told}");
    assert_eq!(told["without"], serde_json::json!([0, true]), "{told}");
    assert_eq!(told["same"], serde_json::json!([0, 0, true]), "{told}");
    assert_eq!(told["pixels"], true, "{told}");
    assert_eq!(told["search"], serde_json::json!(["1 / 1", "0000000005"]), "{told}");
    assert_eq!(told["none"], "- / 0", "{told}");
    assert_eq!(told["lit"], 3, "an object lights up in all three frames: {told}");
    assert!(told["pair"].as_str().unwrap().contains("is farther than"), "{told}");
    assert_eq!(told["broken"], 0, "{told}");
}
