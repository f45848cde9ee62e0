//! Sketches against the sizes of difference they must and must not find, with everything individual gone.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use jdl_core::disclosure::{Relation, Sketch, compare};

/// Of 1,000 pairs of cohorts of `size` people of which `apart` are only in one, how many are flagged.
fn flagged(size: i64, apart: i64, seed: u8) -> usize {
    let key = [seed; 32];
    (0..1000)
        .filter(|round| {
            let first = round * 1_000_000;
            // Half of the difference left, half of it came.
            let (left, came) = (apart - apart / 2, apart / 2);
            let earlier = Sketch::new(1, &key, first..first + size).unwrap();
            let new = Sketch::new(1, &key, first + left..first + size + came).unwrap();
            compare(&new, &[earlier]).unwrap().findings.iter().any(|f| f.relation == Relation::Same(0))
        })
        .count()
}

#[test]
fn up_to_ten_people_are_flagged_and_thirty_are_not() {
    for size in [40, 200] {
        for apart in [1, 2, 5, 10] {
            assert!(flagged(size, apart, 3) >= 990, "{size} {apart}");
        }
        for apart in [30, 38] {
            assert!(flagged(size, apart, 4) < 10, "{size} {apart}");
        }
    }
}

#[test]
fn size_does_not_matter() {
    let key = [5; 32];
    for round in 0..20 {
        let first = round * 1_000_000;
        let earlier = Sketch::new(1, &key, first..first + 5000).unwrap();
        let new = Sketch::new(1, &key, first + 1..first + 5000).unwrap();
        let other = Sketch::new(1, &key, first + 40..first + 5000).unwrap();
        assert_eq!(compare(&new, std::slice::from_ref(&earlier)).unwrap().findings.len(), 1);
        assert!(compare(&other, &[earlier]).unwrap().findings.is_empty());
    }
}

#[test]
fn a_union_but_for_a_few_is_flagged_and_but_for_thirty_is_not() {
    let key = [6; 32];
    let union = |round: i64, apart: i64| {
        let first = round * 1_000_000;
        let b = Sketch::new(1, &key, first..first + 60).unwrap();
        let c = Sketch::new(1, &key, first + 60..first + 150).unwrap();
        let a = Sketch::new(1, &key, first + apart..first + 150).unwrap();
        compare(&a, &[b, c]).unwrap().findings.iter().any(|f| f.relation == Relation::UnionOf(0, 1))
    };
    for apart in [0, 1, 5, 10] {
        assert!((0..500).filter(|round| union(*round, apart)).count() >= 495, "{apart}");
    }
    assert!((0..500).filter(|round| union(*round, 30)).count() < 5);
}
