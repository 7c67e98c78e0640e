//===- KeptColumns.h - which columns of a tile its mask keeps, and for which rows ---------------===//
//
// About maps that find the columns of a boundary tile which any row keeps:
//   %_, %kept = attn.map rows(%qp, %qd) cols(%kp, %kd) reduce max per col {..}
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_PASSES_KEPTCOLUMNS_H
#define HEDDLE_PASSES_KEPTCOLUMNS_H

#include "dialect/AttnOps.h"
#include "mlir/IR/Builders.h"

namespace heddle::attn {

/// Whether a map is one of those: it gives 1 where a row keeps a column, else 0, and is asked for columns only.
bool findsColumns(MapOp map);

/// One number per row of the tile, 0 only where its mask keeps none of the row's columns; null where what was
/// loaded of the rows has no part in that. What a row or a column alone decides is left out: it drops little.
mlir::Value liveRows(MapOp map);

/// Rows that were told apart only by what was loaded of them may all be alike, as queries between two borders of
/// documents. Then the first one tells which columns are kept, and all rows may be live. `kept` is what
/// `map` gives, `live` what liveRows gave or null; both are replaced. Nothing is done if no loop around `map`
/// leaves its rows as they are: the rows are compared there.
void askFirstRow(MapOp map, mlir::Value &kept, mlir::Value &live);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_KEPTCOLUMNS_H
