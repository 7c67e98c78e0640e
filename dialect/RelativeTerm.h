//===- RelativeTerm.h - a product of the query with a row of a table of distances ------------------===//

#ifndef HEDDLE_DIALECT_RELATIVETERM_H
#define HEDDLE_DIALECT_RELATIVETERM_H

#include "specs/reader/Spec.h"

namespace heddle {

/// `dot(query, table[.., kv_idx - q_idx + c, :])` in a score: as a band of products of a tile of queries with
/// consecutive rows, sheared, it costs a product of tiles.
struct RelativeTerm {
  ExprRef score; // with Special Relative in the place of the dot(); null: there is no such term
  ExprRef row;   // Float of R, `index`, d: the table at `index`
  // Int of R, K: the value of `index`, not yet moved into its axis. It rises by 1 with the key, and falls
  // by 1 with q_idx.
  ExprRef at;
  IndexRange index;
};
RelativeTerm relativeTerm(const AttendStep &step);

} // namespace heddle

#endif // HEDDLE_DIALECT_RELATIVETERM_H
