//! The assignment of least total cost, by which detections are given to tracks.
//!
//! Kuhn's Hungarian method in the O(n³) form with potentials (Jonker and Volgenant, "A Shortest
//! Augmenting Path Algorithm for Dense and Sparse Linear Assignment Problems", 1987).

/// A pair that must not be made.
pub const FORBIDDEN: f32 = f32::INFINITY;

/// Stands for [`FORBIDDEN`] inside: far dearer than any sum of real costs, yet finite.
const DEAR: f64 = 1e9;

/// For each row the column assigned to it, at least total cost; forbidden pairs are never made.
///
/// `costs` has `rows * columns` entries, row by row, each at least 0 or [`FORBIDDEN`]. Ties fall
/// to lower indices, so that the same costs always give the same answer.
pub fn assign(costs: &[f32], rows: usize, columns: usize) -> Vec<Option<usize>> {
    debug_assert_eq!(costs.len(), rows * columns, "one cost a pair");
    if rows == 0 || columns == 0 {
        return vec![None; rows];
    }
    let cost = |row: usize, column: usize| {
        let value = costs[row * columns + column];
        if value.is_finite() { f64::from(value) } else { DEAR }
    };
    // The method wants no more rows than columns: lay the matrix on its side where it has more.
    let column_of_row = if rows <= columns {
        solve(rows, columns, cost)
    } else {
        let row_of_column = solve(columns, rows, |column, row| cost(row, column));
        let mut turned = vec![None; rows];
        for (column, row) in row_of_column.into_iter().enumerate() {
            if let Some(row) = row {
                turned[row] = Some(column);
            }
        }
        turned
    };
    let allowed = |row: usize, column: usize| costs[row * columns + column].is_finite();
    column_of_row
        .into_iter()
        .enumerate()
        .map(|(row, column)| column.filter(|&column| allowed(row, column)))
        .collect()
}

/// Rows are at most as many as columns; every row gets a column. Index 0 is a sentinel inside.
fn solve(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    let mut row_potential = vec![0.0; rows + 1];
    let mut column_potential = vec![0.0; columns + 1];
    let mut row_of = vec![0; columns + 1];
    let mut from = vec![0; columns + 1];
    let mut slack = vec![f64::INFINITY; columns + 1];
    let mut visited = vec![false; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        from.fill(0);
        slack.fill(f64::INFINITY);
        visited.fill(false);
        let mut column = 0;
        while row_of[column] != 0 {
            visited[column] = true;
            let current = row_of[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for candidate in 1..=columns {
                if visited[candidate] {
                    continue;
                }
                let reduced = cost(current - 1, candidate - 1)
                    - row_potential[current]
                    - column_potential[candidate];
                if reduced < slack[candidate] {
                    slack[candidate] = reduced;
                    from[candidate] = column;
                }
                if slack[candidate] < step {
                    (step, next) = (slack[candidate], candidate);
                }
            }
            for c in 0..=columns {
                if visited[c] {
                    row_potential[row_of[c]] += step;
                    column_potential[c] -= step;
                } else {
                    slack[c] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[from[column]];
            column = from[column];
        }
    }
    let mut assigned = vec![None; rows];
    for column in 1..=columns {
        if row_of[column] != 0 {
            assigned[row_of[column] - 1] = Some(column - 1);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_total_counts_not_the_nearest() {
        // Greedy would take (0,0) at 1 and be left with 9.
        assert_eq!(assign(&[1.0, 2.0, 2.0, 9.0], 2, 2), [Some(1), Some(0)]);
    }

    #[test]
    fn forbidden_pairs_stay_apart() {
        assert_eq!(assign(&[FORBIDDEN, 1.0, FORBIDDEN, 2.0], 2, 2), [Some(1), None]);
        assert_eq!(assign(&[FORBIDDEN; 3], 3, 1), [None, None, None]);
        assert_eq!(assign(&[], 0, 4), []);
        assert_eq!(assign(&[], 2, 0), [None, None]);
    }

    proptest! {
        #[test]
        fn no_other_assignment_is_cheaper(
            (rows, columns, costs) in (1usize..5, 1usize..5).prop_flat_map(|(r, c)| {
                (Just(r), Just(c), prop::collection::vec(0f32..10.0, r * c))
            })
        ) {
            let total = |pairs: &[Option<usize>]| -> f32 {
                let cost = |(r, c): (usize, &Option<usize>)| c.map(|c| costs[r * columns + c]);
                pairs.iter().enumerate().filter_map(cost).sum()
            };
            let found = assign(&costs, rows, columns);
            prop_assert_eq!(found.iter().flatten().count(), rows.min(columns));
            let best = every_assignment(rows, columns).into_iter().map(|a| total(&a))
                .fold(f32::INFINITY, f32::min);
            prop_assert!(total(&found) <= best + 1e-4);
        }
    }

    /// All assignments with as many pairs as can be.
    fn every_assignment(rows: usize, columns: usize) -> Vec<Vec<Option<usize>>> {
        let mut done = vec![vec![]];
        for _ in 0..rows {
            let mut longer = Vec::new();
            for start in done {
                longer.push([start.clone(), vec![None]].concat());
                for column in (0..columns).filter(|c| !start.contains(&Some(*c))) {
                    longer.push([start.clone(), vec![Some(column)]].concat());
                }
            }
            done = longer;
        }
        let most = rows.min(columns);
        done.retain(|a| a.iter().flatten().count() == most);
        done
    }
}
