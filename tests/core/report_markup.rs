//! A strict reader of the pages: every tag closed in order, every attribute quoted, every entity known.

use std::collections::BTreeMap;

/// An element of a page.
#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub children: Vec<Element>,
    /// Text of this element and all in it, in order.
    pub text: String,
}

impl Element {
    /// Every element in this one, itself included, in document order.
    pub fn all(&self) -> Vec<&Element> {
        std::iter::once(self).chain(self.children.iter().flat_map(Element::all)).collect()
    }

    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.all().into_iter().filter(move |e| e.name == name)
    }

    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    pub fn has_class(&self, class: &str) -> bool {
        self.attribute("class").split(' ').any(|c| c == class)
    }

    pub fn with_id(&self, id: &str) -> Option<&Element> {
        self.all().into_iter().find(|e| e.attribute("id") == id)
    }

    /// A numeric attribute.
    pub fn number(&self, name: &str) -> f64 {
        self.attribute(name).parse().unwrap_or_else(|_| panic!("{name} of {self:?}"))
    }
}

fn decode(text: &str) -> String {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        rest = &rest[at..];
        assert!(["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|e| rest.starts_with(e)), "{rest:.20}");
        rest = &rest[1..];
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// Reads a page; panics on the first thing that is not well formed.
pub fn parse(page: &str) -> Element {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut open: Vec<Element> = vec![Element::default()];
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("</") {
            let (name, tail) = tail.split_once('>').unwrap();
            let done = open.pop().unwrap();
            assert_eq!(done.name, name, "closed out of order");
            let parent = open.last_mut().unwrap();
            parent.text.push_str(&done.text);
            parent.children.push(done);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('<') {
            let (element, tail) = opening(tail);
            if element.name == "meta" {
                open.last_mut().unwrap().children.push(element);
            } else {
                open.push(element);
            }
            rest = tail;
        } else {
            let (text, tail) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
            let inside = open.last_mut().unwrap();
            let text = if inside.name == "style" { text.to_owned() } else { decode(text) };
            inside.text.push_str(&text);
            rest = tail;
        }
    }
    assert_eq!(open.len(), 1, "{} is not closed", open.last().unwrap().name);
    open.pop().unwrap().children.pop().unwrap()
}

/// An opening tag behind its `<`, and what follows it.
fn opening(from: &str) -> (Element, &str) {
    let end = from.find([' ', '>']).unwrap();
    let (name, mut rest) = from.split_at(end);
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) || name == "polyline", "{name}");
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if let Some(tail) = rest.strip_prefix('>') {
            return (Element { name: name.to_owned(), attributes, ..Element::default() }, tail);
        }
        let (key, tail) = rest.split_once("=\"").expect("attributes have quoted values");
        let (value, tail) = tail.split_once('"').unwrap();
        assert!(!value.contains('<') && attributes.insert(key.to_owned(), decode(value)).is_none(), "{key} twice");
        rest = tail;
    }
}
