//! Which further cells to hide so that the sensitive ones stay hidden: the heuristic.
//!
//! For each sensitive cell that no known move protects, the cheapest move that does is found and the cells it needs are
//! hidden. Then every further cell is un-hidden, the dearest first, if all sensitive cells can still be protected.
//! Ties are broken by the number of the cell, so the same table always gives the same pattern.

use std::rc::Rc;

use crate::disclosure::moves::{Aim, Frame, Move, Mover};
use crate::error::{Error, Result};
use crate::number::Heartbeat;

/// Hidden cells and the moves that show that they suffice.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// By cell.
    pub hidden: Vec<bool>,
    /// The move of each aim; the same for several where it serves them.
    pub proof: Vec<Rc<Move>>,
}

/// How often the refinement goes over all further cells, at most.
const PASSES: usize = 2;

/// How many times as many linear programs as the first pattern took the refinement may take: alone, and where the exact search
/// comes after it and needs the time.
const EFFORT: [usize; 2] = [25, 8];

/// The search for a pattern that protects all aims.
pub(super) struct Heuristic<'a> {
    pub best: Pattern,
    pub mover: Mover<'a>,
    /// The cells that are hidden anyway.
    fixed: Vec<bool>,
    /// The cell that the refinement looks at next, in which pass, and what the best pattern cost when the pass began.
    next: usize,
    pass: usize,
    before: u64,
}

impl<'a> Heuristic<'a> {
    /// Begins with the first pattern.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if a cell that must be hidden may not be, or what must stay published leaves no protection.
    pub fn new(frame: &'a Frame, aims: &'a [Aim], heartbeat: Heartbeat) -> Result<Self> {
        if aims.iter().any(|aim| !frame.may_hide[aim.cell]) {
            return Err(Error::invalid("keep", "names a cell that must be hidden now; withdraw the earlier release"));
        }
        let fixed = frame.hidden_anyway(aims);
        let mut mover = Mover::new(frame, aims);
        let price = |cell: usize| frame.may_hide[cell].then(|| frame.cost[cell] as f64);
        let best = complete(&mut mover, fixed.clone(), &price, heartbeat).ok_or_else(|| {
            Error::invalid("keep", "leaves no way to protect a sensitive cell; let more cells be hidden")
        })?;
        let before = frame.cost_of(&best.hidden);
        Ok(Self { best, mover, fixed, next: 0, pass: 0, before })
    }

    /// Refines as long as it is worth it.
    pub fn refine(&mut self, exact_follows: bool, heartbeat: Heartbeat, out_of_time: &dyn Fn() -> bool) {
        let enough = EFFORT[usize::from(exact_follows)] * (self.mover.programs + 50);
        while !out_of_time() && self.mover.programs <= enough && self.refine_once(heartbeat) {}
    }

    /// Ruin and recreate: publishes one further cell for good and its equations' further cells for the time being, and sees whether
    /// something cheaper grows back. Says whether there is anything left to try.
    pub fn refine_once(&mut self, heartbeat: Heartbeat) -> bool {
        let frame = self.mover.frame;
        let further = |cell: &usize| self.best.hidden[*cell] && !self.fixed[*cell];
        let Some(cell) = (self.next..self.fixed.len()).find(further) else {
            let cost = frame.cost_of(&self.best.hidden);
            self.pass += 1;
            if self.pass >= PASSES || cost == self.before {
                self.pass = PASSES;
                return false;
            }
            (self.next, self.before) = (0, cost);
            return true;
        };
        self.next = cell + 1;
        let mut hidden = self.best.hidden.clone();
        for (near, _) in frame.rows_of[cell].iter().flat_map(|row| &frame.rows[*row]) {
            hidden[*near] = self.fixed[*near];
        }
        let price = |other: usize| (frame.may_hide[other] && other != cell).then(|| frame.cost[other] as f64);
        self.complete(hidden, &price, heartbeat);
        true
    }

    /// Completes a pattern as [`complete`] does, and keeps it if it is the cheapest so far.
    pub fn complete(&mut self, hidden: Vec<bool>, price: &dyn Fn(usize) -> Option<f64>, heartbeat: Heartbeat) {
        let frame = self.mover.frame;
        if let Some(found) = complete(&mut self.mover, hidden, price, heartbeat)
            && frame.cost_of(&found.hidden) < frame.cost_of(&self.best.hidden)
        {
            self.best = found;
        }
    }
}

/// Hides what more it takes to protect all aims, at a `price` for each cell (`None`: not at all), and un-hides what is
/// hidden in vain; `None` if nothing suffices.
fn complete(
    mover: &mut Mover,
    mut hidden: Vec<bool>,
    price: &dyn Fn(usize) -> Option<f64>,
    heartbeat: Heartbeat,
) -> Option<Pattern> {
    let (frame, aims) = (mover.frame, mover.aims);
    for (cell, hidden) in hidden.iter().enumerate() {
        mover.price(cell, if *hidden { Some(0.0) } else { price(cell) });
    }
    let mut order: Vec<usize> = (0..aims.len()).collect();
    order.sort_by_key(|aim| (std::cmp::Reverse(aims[*aim].room), aims[*aim].cell));
    let mut proof = vec![None; aims.len()];
    for aim in order {
        heartbeat();
        if let Some(known) = mover.recall(aim, &hidden) {
            proof[aim] = Some(known);
            continue;
        }
        let change = mover.find(aim, heartbeat)?;
        for (cell, by) in &change.0 {
            if !hidden[*cell] && frame.shows(*cell, *by) {
                hidden[*cell] = true;
                mover.price(*cell, Some(0.0));
            }
        }
        proof[aim] = Some(change);
    }
    let mut pattern = Pattern { hidden, proof: proof.into_iter().collect::<Option<_>>()? };
    pattern.clean_up(mover, heartbeat);
    Some(pattern)
}

impl Pattern {
    /// Un-hides what is hidden in vain.
    fn clean_up(&mut self, mover: &mut Mover, heartbeat: Heartbeat) {
        let frame = mover.frame;
        let fixed = frame.hidden_anyway(mover.aims);
        let mut further: Vec<usize> =
            (0..self.hidden.len()).filter(|cell| self.hidden[*cell] && !fixed[*cell]).collect();
        further.sort_by_key(|cell| (std::cmp::Reverse(frame.cost[*cell]), *cell));
        let mut sensitive = vec![false; self.hidden.len()];
        for aim in mover.aims {
            sensitive[aim.cell] = true;
        }
        // Moves that do without the further cells leave more of them to un-hide.
        for (cell, fixed) in fixed.iter().enumerate() {
            let price = if *fixed { 0.0 } else { frame.cost[cell] as f64 };
            mover.price(cell, self.hidden[cell].then_some(price));
        }
        for cell in further {
            heartbeat();
            if frame.gives_away(cell, &self.hidden, &sensitive) {
                continue;
            }
            self.hidden[cell] = false;
            let price = mover.price_of(cell);
            mover.price(cell, None);
            match self.repaired(mover, heartbeat) {
                Some(proof) => self.proof = proof,
                None => {
                    self.hidden[cell] = true;
                    mover.price(cell, price);
                }
            }
        }
    }

    /// A move for each aim that goes unseen; `None` if one has none.
    fn repaired(&self, mover: &mut Mover, heartbeat: Heartbeat) -> Option<Vec<Rc<Move>>> {
        let proof = self.proof.iter().enumerate().map(|(aim, change)| {
            if mover.frame.is_unseen(change, &self.hidden) {
                return Some(Rc::clone(change));
            }
            heartbeat();
            mover.recall(aim, &self.hidden).or_else(|| mover.find(aim, heartbeat))
        });
        proof.collect()
    }
}
