//===- MaskPolyhedron.cpp - linear forms of a mask as rows of a polyhedron --------------------===//

#include "passes/MaskPolyhedron.h"
#include "mlir/Analysis/Presburger/Simplex.h"

using namespace mlir::presburger;
using namespace heddle::attn;

static constexpr int64_t maxCoefficient = int64_t(1) << 26, maxConstant = int64_t(1) << 58;

void heddle::attn::collectSymbols(const MaskAnalysis &mask, const LinearForm &form,
                                  llvm::SmallVectorImpl<unsigned> &symbols) {
  for (auto [number, coefficient] : form.parts) {
    const MaskTerm &term = mask.getTerms()[number];
    if (term.kind == MaskTerm::Kind::floorDiv)
      collectSymbols(mask, term.a, symbols);
    else if (term.kind == MaskTerm::Kind::symbol && !llvm::is_contained(symbols, number))
      symbols.push_back(number);
  }
}

std::vector<int64_t> heddle::attn::rowOf(const MaskAnalysis &mask, const LinearForm &form,
                                         IntegerPolyhedron &p,
                                         llvm::function_ref<unsigned(unsigned)> columnOf) {
  std::vector<std::pair<unsigned, int64_t>> entries;
  for (auto [number, coefficient] : form.parts) {
    const MaskTerm &term = mask.getTerms()[number];
    bool divides = term.kind == MaskTerm::Kind::floorDiv;
    entries.push_back({divides ? p.addLocalFloorDiv(rowOf(mask, term.a, p, columnOf), term.divisor)
                               : columnOf(number),
                       coefficient});
  }
  std::vector<int64_t> row(p.getNumCols()); // now that no division is to come
  for (auto [column, value] : entries)
    row[column] += value;
  row.back() = form.constant;
  return row;
}

void heddle::attn::addForm(const MaskAnalysis &mask, const LinearForm &form, IntegerPolyhedron &p,
                           llvm::function_ref<unsigned(unsigned)> columnOf) {
  std::vector<int64_t> row = rowOf(mask, form, p, columnOf);
  if (isSmall(row))
    p.addInequality(row);
}

bool heddle::attn::isSmall(llvm::ArrayRef<int64_t> row) {
  auto fits = [](int64_t x) { return -maxCoefficient <= x && x <= maxCoefficient; };
  return llvm::all_of(row.drop_back(), fits) && -maxConstant <= row.back() &&
         row.back() <= maxConstant;
}

bool heddle::attn::isEmpty(const IntegerPolyhedron &p) { return Simplex(p).isEmpty(); }
