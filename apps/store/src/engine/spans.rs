//! Spans of what is read and written, for the traces of those who ask.
//!
//! Only what happens within a span has one: what the store does by itself belongs to no trace.

use tracing::{Level, Span, debug_span, span::EnteredSpan, span_enabled};

use super::{EngineKind, Row, Rows};
use crate::Result;

/// Rows that are read within a span, from their first to the last one.
struct Spanned {
    rows: Rows,
    span: Span,
}

/// Enters the span of a change.
pub(super) fn write(engine: EngineKind) -> EnteredSpan {
    let is_within = span_enabled!(Level::DEBUG) && !Span::current().is_none();
    let span = || debug_span!("store.write", db.system.name = engine.name());
    if is_within { span() } else { Span::none() }.entered()
}

/// The span of a read.
pub(super) fn read(engine: EngineKind) -> Span {
    let is_within = span_enabled!(Level::DEBUG) && !Span::current().is_none();
    let span = || debug_span!("store.read", db.system.name = engine.name());
    if is_within { span() } else { Span::none() }
}

/// Enters the span of the wait until what was written is on disk.
pub(crate) fn commit(engine: EngineKind) -> EnteredSpan {
    let is_within = span_enabled!(Level::DEBUG) && !Span::current().is_none();
    let span = || debug_span!("store.commit", db.system.name = engine.name());
    if is_within { span() } else { Span::none() }.entered()
}

/// `rows` within `span`, which ends with them.
pub(super) fn over(span: Span, rows: Rows) -> Rows {
    if span.is_disabled() { rows } else { Box::new(Spanned { rows, span }) }
}

impl Iterator for Spanned {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.span.in_scope(|| self.rows.next())
    }
}

impl DoubleEndedIterator for Spanned {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.span.in_scope(|| self.rows.next_back())
    }
}
