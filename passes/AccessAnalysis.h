//===- AccessAnalysis.h - what the regions of a surface op read, and how -----------------------===//
//
// Nothing is recognised when a spec is built; here it is. A query, key or value is a *plain read* when
// its region is one element of a tensor, converted to f32 or not, whose last subscript is the column
// (d or e): such a tile is loaded in place. All else is computed element by element.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_PASSES_ACCESSANALYSIS_H
#define HEDDLE_PASSES_ACCESSANALYSIS_H

#include "dialect/AttnOps.h"
#include <optional>

namespace heddle::attn {

/// `tensor[.., row, .., column]`, or `tensor[.., row, ..]` where there is no column.
struct PlainRead {
  mlir::Value tensor;
  mlir::SmallVector<mlir::Value> subscripts; // of the region; one is the row, the last the column
  unsigned rowAxis;                          // which of them is the row
};

/// The plain read that `region` is, with rows along its argument `row` and, where `column` is not
/// null, columns along that one. Null: it is none.
std::optional<PlainRead> matchPlainRead(mlir::Region &region, mlir::BlockArgument row,
                                        mlir::BlockArgument column);

/// The row index that makes up the query tile: the last one which neither key nor value mentions, one
/// that the mask mentions before one that it does not. Null: keys differ from row to row, and a tile
/// is one row.
std::optional<unsigned> tileRow(AttendOp op);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_ACCESSANALYSIS_H
