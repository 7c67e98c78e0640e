//===- IntegerRange.h - whether 32 bits hold integers of tiles and intermediates -----------------===//

#ifndef HEDDLE_DIALECT_INTEGERRANGE_H
#define HEDDLE_DIALECT_INTEGERRANGE_H

#include "specs/reader/Spec.h"
#include <map>
#include <memory>
#include <set>

namespace heddle {

/// An intermediate of integers that 32 bits may not hold: in memory it has 64.
bool isWide(const Spec &spec, const SpecTensor &tensor);

/// Bounds of the integers in a step's expressions. Integers of the language have 64 bits, those of a tile's bodies 32.
/// Where only a call knows sizes and params, an index is taken to be below 2^24, and a number of a call, or the place
/// where a block begins (an index that no tile goes over, times a size), to be within +-2^29.
class IntegerRanges {
public:
  IntegerRanges(const Spec &spec, const SpecStep &step);

  /// A part of `expr` that varies with an index and may not fit into 32 bits: "kv_idx * 2654435761". Empty: there is none.
  std::string tooWide(const ExprRef &expr);

  /// Exact to 2^53; beyond that anything.
  struct Range {
    double low, high;
    bool fits() const { return low >= -2147483648.0 && high <= 2147483647.0; }
  };
  /// Of the elements of a step's output.
  Range ofOutput(const SpecTensor &tensor);

private:
  using Outputs = std::map<std::string, Range>;
  IntegerRanges(const Spec &spec, const SpecStep &step, std::shared_ptr<Outputs> outputs);
  Range of(const Expr &expr);
  Range compute(const Expr &expr);
  Range ofBinary(const Expr &expr);
  Range ofCall(const Expr &expr);
  Range ofRead(const Expr &expr);
  double lastOf(const Expr &size);
  bool isBlockIndex(const Expr &expr) const;

  const Spec &spec;
  ExprRef offset; // of q_idx, or null
  OffsetKind offsetKind = OffsetKind::TopLeft;
  std::map<std::string, ExprRef, std::less<>> sizes; // by index
  std::set<std::string, std::less<>> blocks;         // indices that no tile goes over
  std::map<const Expr *, Range> known;
  std::shared_ptr<Outputs> outputs; // known ones, of all steps
};

} // namespace heddle

#endif // HEDDLE_DIALECT_INTEGERRANGE_H
