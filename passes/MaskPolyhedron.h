//===- MaskPolyhedron.h - linear forms of a mask as rows of a polyhedron ----------------------===//

#ifndef HEDDLE_PASSES_MASKPOLYHEDRON_H
#define HEDDLE_PASSES_MASKPOLYHEDRON_H

#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include "passes/MaskAnalysis.h"

namespace heddle::attn {

/// The symbols of `form`, those of its divisions included, added to `symbols`.
void collectSymbols(const MaskAnalysis &mask, const LinearForm &form,
                    llvm::SmallVectorImpl<unsigned> &symbols);

/// `form` as a row of `p`, which grows by a local variable for each floor division in it.
/// `columnOf` tells the column of a position or symbol.
std::vector<int64_t> rowOf(const MaskAnalysis &mask, const LinearForm &form,
                           mlir::presburger::IntegerPolyhedron &p,
                           llvm::function_ref<unsigned(unsigned)> columnOf);

/// Adds form >= 0, unless its numbers are so large that arithmetic on them might wrap: leaving it
/// out makes the polyhedron larger.
void addForm(const MaskAnalysis &mask, const LinearForm &form,
             mlir::presburger::IntegerPolyhedron &p,
             llvm::function_ref<unsigned(unsigned)> columnOf);

/// True if what is computed from this row on values below 2^31 stays in 64 bits.
bool isSmall(llvm::ArrayRef<int64_t> row);

/// True if no rational point is in `p`; false does not promise an integer one.
bool isEmpty(const mlir::presburger::IntegerPolyhedron &p);

} // namespace heddle::attn

#endif // HEDDLE_PASSES_MASKPOLYHEDRON_H
