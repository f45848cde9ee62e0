//! The one stored result; wording, text, HTML, charts.
