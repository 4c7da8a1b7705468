//! Damage: bytes, words, lines, JSON values and PNG chunks of good files.

use serde_json::{Value, json};
use suw_shared::seed::Seed;

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Bytes and little-endian numbers.
    Bytes,
    /// Lines of words.
    Text,
    /// JSON.
    Json,
    /// PNG chunks with checksums.
    Png,
}

/// The numbers of one case.
pub struct Dice(u64);

impl Dice {
    /// The same case gets the same numbers.
    pub fn new(seed: u64, target: &str, number: u64) -> Self {
        Self(Seed(seed).derive(target, number.to_le_bytes()).0)
    }

    /// A step of splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0..n; 0 for none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// One of them.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Random bytes.
    pub fn bytes(&mut self, longest: usize) -> Vec<u8> {
        (0..self.below(longest)).map(|_| self.next() as u8).collect()
    }

    /// A range of 0..length.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }
}

/// Numbers that break things.
const NUMBERS: [u64; 17] = [
    0,
    1,
    2,
    3,
    7,
    127,
    128,
    255,
    256,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7ff0_0000_0000_0000,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Words that break things.
const WORDS: [&str; 34] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "4",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e308",
    "1e309",
    "-1e-320",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "1_000",
    "+1",
    "",
    "''",
    "\"",
    "é",
    "\u{feff}",
    "[",
    "{",
    "true",
    "..",
    "/",
];

/// A damaged copy of one of the pool, at most `longest` bytes.
pub fn mutated(pool: &[Vec<u8>], form: Form, longest: usize, dice: &mut Dice) -> Vec<u8> {
    let mut input = dice.of(pool).clone();
    // Mostly little damage: a file with much of it is refused at its first line.
    for _ in 0..1 + dice.below(3) {
        let plain = dice.below(3) == 0;
        input = match form {
            Form::Text if !plain => text(&input, dice),
            Form::Json if !plain => json_text(&input, dice),
            Form::Png if !plain => png(&input, dice),
            _ => {
                let other = dice.of(pool).clone();
                bytes(input, &other, dice)
            }
        };
    }
    input.truncate(longest);
    input
}

fn bytes(mut input: Vec<u8>, other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let length = input.len();
    match dice.below(9) {
        0 if length > 0 => input[dice.below(length)] ^= 1 << dice.below(8),
        1 if length > 0 => input[dice.below(length)] = *dice.of(&NUMBERS) as u8,
        2 => input.truncate(dice.below(length + 1)),
        3 => drop(input.drain(dice.range(length))),
        4 => {
            let copy = input[dice.range(length)].to_vec();
            let at = dice.below(length + 1);
            input.splice(at..at, copy);
        }
        5 => {
            let piece = other[dice.range(other.len())].to_vec();
            let range = dice.range(length);
            input.splice(range, piece);
        }
        6 => input.extend(dice.bytes(40)),
        // A number of 1, 2, 4 or 8 bytes, more often near the front, where headers are.
        _ if length > 0 => {
            let width = *dice.of(&[1, 2, 4, 8]);
            let near = if dice.below(2) == 0 { length.min(64) } else { length };
            let at = dice.below(near);
            let number = dice.of(&NUMBERS).to_le_bytes();
            let end = (at + width).min(length);
            input[at..end].copy_from_slice(&number[..end - at]);
        }
        _ => {}
    }
    input
}

fn text(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let text = String::from_utf8_lossy(input).into_owned();
    let mut lines: Vec<&str> = text.split('\n').collect();
    let at = dice.below(lines.len());
    let changed: String;
    match dice.below(8) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at]),
        2 => {
            let other = dice.below(lines.len());
            lines.swap(at, other);
        }
        3 => lines.truncate(at),
        _ => {
            // Words and what parts them by turns.
            let parts = |c: char| " =:,[]\t&\"x".contains(c);
            let mut words: Vec<&str> = lines[at].split_inclusive(parts).collect();
            let word = dice.below(words.len());
            match dice.below(5) {
                0 if !words.is_empty() => drop(words.remove(word)),
                1 if !words.is_empty() => words.insert(word, words[word]),
                _ => {
                    let old = words.get(word).copied().unwrap_or_default();
                    let end = old.chars().next_back().filter(|c| parts(*c));
                    let new =
                        format!("{}{}", dice.of(&WORDS), end.map_or(String::new(), String::from));
                    let (front, back) = words.split_at(word.min(words.len()));
                    let back = back.get(1..).unwrap_or_default();
                    changed = [&front.concat(), new.as_str(), &back.concat()].concat();
                    lines[at] = &changed;
                    return lines.join("\n").into_bytes();
                }
            }
            changed = words.concat();
            lines[at] = &changed;
        }
    }
    lines.join("\n").into_bytes()
}

fn json_text(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(input) else {
        return text(input, dice);
    };
    let mut places = Vec::new();
    pointers(&value, String::new(), &mut places);
    let at = dice.of(&places).clone();
    let donor = value.pointer(dice.of::<String>(&places)).cloned().unwrap_or_default();
    let word = *dice.of(&WORDS);
    let number = *dice.of(&NUMBERS);
    let throw = dice.below(1000);
    let Some(found) = value.pointer_mut(&at) else { return input.to_vec() };
    match (found, dice.below(6)) {
        (found, 0) => *found = donor,
        (found, 1) => *found = json!(number),
        (found, 2) => *found = json!(word),
        (Value::Array(rows), 3) if !rows.is_empty() => drop(rows.remove(throw % rows.len())),
        (Value::Array(rows), _) if !rows.is_empty() => rows.push(rows[throw % rows.len()].clone()),
        (Value::Object(map), 3) if !map.is_empty() => {
            let key = map.keys().nth(throw % map.len()).cloned().unwrap_or_default();
            map.remove(&key);
        }
        (Value::Object(map), _) => drop(map.insert(word.to_owned(), donor)),
        (Value::String(text), _) => text.insert_str(0, word),
        (Value::Number(old), 3) => {
            *old = serde_json::Number::from_f64(-1.5 * old.as_f64().unwrap_or(0.0))
                .unwrap_or_else(|| 0.into());
        }
        (found, _) => *found = json!([number, word]),
    }
    value.to_string().into_bytes()
}

/// The places of all values, as JSON pointers.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| pointers(inner, format!("{at}/{key}"), found));
        }
        Value::Array(rows) => {
            rows.iter()
                .enumerate()
                .for_each(|(row, inner)| pointers(inner, format!("{at}/{row}"), found));
        }
        _ => {}
    }
    found.push(at);
}

/// Damage inside a chunk, whose checksum is then made right: what a careless writer leaves, not a careless disk.
fn png(input: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut chunks: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut rest = input.get(8..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (Some(kind), Some(body)) = (after.get(..4), after.get(4..4 + length)) else { break };
        chunks.push((kind.to_vec(), body.to_vec()));
        rest = after.get(8 + length..).unwrap_or_default();
    }
    if chunks.is_empty() {
        return bytes(input.to_vec(), input, dice);
    }
    let at = dice.below(chunks.len());
    match dice.below(8) {
        0 => drop(chunks.remove(at)),
        1 => chunks.insert(at, chunks[at].clone()),
        2 => {
            let kinds: [&[u8]; 7] = [b"PLTE", b"tRNS", b"IDAT", b"iCCP", b"zTXt", b"gAMA", b"acTL"];
            chunks.insert(at, (dice.of(&kinds).to_vec(), dice.bytes(64)));
        }
        // Width and height are big-endian.
        3 => {
            let side = (*dice.of(&NUMBERS) as u32).to_be_bytes();
            let place = 4 * dice.below(2);
            if let Some(header) = chunks[0].1.get_mut(place..place + 4) {
                header.copy_from_slice(&side);
            }
        }
        4 => chunks[0].1.iter_mut().skip(8 + dice.below(5)).take(1).for_each(|byte| {
            *byte = *dice.of(&[0, 1, 2, 3, 4, 6, 8, 16]);
        }),
        _ => {
            let body = std::mem::take(&mut chunks[at].1);
            chunks[at].1 = bytes(body, input, dice);
        }
    }
    let mut output = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in chunks {
        output.extend((body.len() as u32).to_be_bytes());
        let start = output.len();
        output.extend(kind);
        output.extend(body);
        let sum = crc32(&output[start..]);
        output.extend(sum.to_be_bytes());
    }
    output
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |s, _| {
                if s & 1 == 1 { s >> 1 ^ 0xedb8_8320 } else { s >> 1 }
            },
        )
    })
}
