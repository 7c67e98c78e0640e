//===- MaskAnalysis.h - what a `keep` region says of positions and symbols --------------------===//
//
// A mask is read once into a formula of inequalities between linear forms. Two views of it:
// conjuncts, for projection (TileRanges.h), and interval evaluation. Both may only ever admit too
// much: what is not understood may hold and may fail. No tile size, and no IR is touched.
//
//===----------------------------------------------------------------------------------------===//

#ifndef HEDDLE_PASSES_MASKANALYSIS_H
#define HEDDLE_PASSES_MASKANALYSIS_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include <map>
#include <utility>
#include <vector>

namespace heddle::attn {

/// The sum of coefficient * term, and a constant.
struct LinearForm {
  llvm::SmallVector<std::pair<unsigned, int64_t>, 4> parts; // by rising term, no coefficient is 0
  int64_t constant = 0;

  int64_t coefficient(unsigned term) const;
  bool operator==(const LinearForm &other) const {
    return constant == other.constant && parts == other.parts;
  }
};

/// What linear forms are made of. Those of conjuncts mention the first three kinds only.
struct MaskTerm {
  enum class Kind {
    position, // a query or key position: `value`
    symbol,   // `value` mentions no position: of integer, i1 (0 or 1) or index type
    floorDiv, // a floordiv divisor
    data,     // `value` is an integer read from a tensor at positions
    larger,   // max(a, b)
    chosen,   // condition ? a : b
    unknown   // `value`, of which nothing is known
  };
  Kind kind;
  mlir::Value value; // what made the term; its location is the place to blame
  LinearForm a, b;
  int64_t divisor = 0;
  unsigned condition = 0; // a formula
};

/// Inequalities `form >= 0` that hold together.
using MaskConjunct = std::vector<LinearForm>;

/// A place that keeps the conjuncts from being exact, and what stands there. `byTile`: evaluated over the
/// positions of one tile it may be decided all the same.
struct MaskBlame {
  mlir::Location loc;
  llvm::StringRef reason;
  bool byTile;
};

/// All values something may take, ends included.
struct MaskInterval {
  int64_t lo, hi;
};

struct MaskTruth {
  bool mayHold, mayFail;
};

/// A node of a mask, negations pushed into its leaves. Numbers 0 and 1 are `false` and `true`; what a
/// node is made of comes before it.
struct MaskFormula {
  enum class Kind { constant, atLeastZero, unknown, both, either } kind;
  LinearForm form; // atLeastZero
  // both, either: formulas; unknown: `left` is a term; constant: `left` is its value
  unsigned left = 0, right = 0;
};

class MaskAnalysis {
public:
  /// Reads the body of `keep`, whose arguments `positions` are the query and key positions; its
  /// other arguments are symbols. An empty region keeps all. With `part`, a value of the body,
  /// that is read as the mask.
  MaskAnalysis(mlir::Region &keep, mlir::ValueRange positions, mlir::Value part = {});

  /// Each kept (dropped) pair fulfils one of these. They may admit other pairs too, see
  /// `getBlames`.
  llvm::ArrayRef<MaskConjunct> getKeeps() const { return keeps; }
  llvm::ArrayRef<MaskConjunct> getDrops() const { return drops; }
  /// Terms of the mask that made the conjuncts admit more than the mask does.
  llvm::ArrayRef<MaskBlame> getBlames() const { return blames; }

  /// Positions come first, in the order given.
  llvm::ArrayRef<MaskTerm> getTerms() const { return terms; }
  /// The mask itself, and the node of it that is the whole.
  llvm::ArrayRef<MaskFormula> getFormulas() const { return formulas; }
  unsigned getRoot() const { return root; }
  /// An integer around or in the region as a linear form of terms.
  LinearForm read(mlir::Value integer);
  /// True if `value` is computed in the region.
  bool isInside(mlir::Value value) const;

  /// Interval evaluation: `values` holds one interval for each term, read for positions and
  /// symbols.
  MaskTruth evaluate(llvm::ArrayRef<MaskInterval> values) const;
  MaskInterval evaluate(const LinearForm &form, llvm::ArrayRef<MaskInterval> values) const;

private:
  using Formula = MaskFormula;

  unsigned makeTerm(MaskTerm term);
  LinearForm formOf(MaskTerm term);
  LinearForm unknown(mlir::Value value);
  LinearForm readData(mlir::Operation *op, mlir::Value value);
  LinearForm sum(const LinearForm &a, const LinearForm &b, int64_t factor, mlir::Value blame);
  LinearForm larger(const LinearForm &a, const LinearForm &b, mlir::Value value);
  LinearForm chosen(unsigned condition, const LinearForm &a, const LinearForm &b,
                    mlir::Value value);
  LinearForm floorDiv(const LinearForm &form, int64_t divisor, mlir::Value value);
  bool isUniform(mlir::Value value);
  LinearForm readOp(mlir::Operation *op, mlir::Value value);
  LinearForm readDivision(mlir::Operation *op, mlir::Value value);

  unsigned readBool(mlir::Value value);
  unsigned readBoolOp(mlir::Operation *op, mlir::Value value);
  unsigned compare(mlir::Operation *op, mlir::Value value);
  unsigned atLeastZero(LinearForm form, mlir::Value blame);
  unsigned isLess(const LinearForm &a, const LinearForm &b, mlir::Value blame);
  unsigned makeUnknown(mlir::Value value);
  unsigned make(Formula::Kind kind, unsigned left, unsigned right);
  unsigned both(unsigned a, unsigned b) { return make(Formula::Kind::both, a, b); }
  unsigned either(unsigned a, unsigned b) { return make(Formula::Kind::either, a, b); }
  unsigned negate(unsigned formula);
  unsigned makeNegation(Formula formula);

  const std::vector<MaskConjunct> &normalForm(unsigned formula);
  std::vector<MaskConjunct> makeNormalForm(unsigned formula);
  std::optional<unsigned> findData(const LinearForm &form) const;
  void blame(mlir::Value value, llvm::StringRef reason, bool byTile = false);

  mlir::Region &region;
  mlir::Value condition; // the mask
  std::vector<MaskTerm> terms;
  std::vector<Formula> formulas;
  llvm::DenseMap<mlir::Value, LinearForm> integers;
  llvm::DenseMap<mlir::Value, unsigned> bools;
  llvm::DenseMap<mlir::Value, bool> uniform;
  llvm::DenseMap<unsigned, unsigned> negations;
  std::map<unsigned, std::vector<MaskConjunct>> normalForms; // references into it stay valid
  unsigned root = 1;
  std::vector<MaskConjunct> keeps, drops;
  std::vector<MaskBlame> blames;
};

} // namespace heddle::attn

#endif // HEDDLE_PASSES_MASKANALYSIS_H
