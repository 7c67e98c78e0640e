//===- RelativeTerm.cpp - a product of the query with a row of a table of distances ----------------===//

#include "dialect/RelativeTerm.h"

using namespace heddle;

/// How much an expression rises with an index, by sums of indices; none if it does otherwise.
static std::optional<int> slopeOf(const ExprRef &expr, std::string_view index) {
  if (!mentionsIndex(expr, index))
    return 0;
  if (expr->isIndex(index) || (index == "q_idx" && expr->isSpecial(ExprSpecial::Pos)))
    return 1;
  bool negated = expr->kind == ExprKind::Unary && expr->unary == UnaryOp::Neg;
  bool sum = expr->kind == ExprKind::Binary &&
             (expr->binary == BinaryOp::Add || expr->binary == BinaryOp::Sub);
  if (!negated && !sum)
    return std::nullopt;
  std::optional<int> a = slopeOf(expr->args[0], index);
  std::optional<int> b = sum ? slopeOf(expr->args[1], index) : std::optional(0);
  if (!a || !b)
    return std::nullopt;
  return negated ? -*a : expr->binary == BinaryOp::Add ? *a + *b : *a - *b;
}

RelativeTerm heddle::relativeTerm(const AttendStep &step) {
  if (step.sources.size() != 1 || step.sources.front().keys.size() != 1)
    return {};
  const AttendSource &source = step.sources.front();
  const std::string &key = source.keys.front().name;
  if (!source.query || !source.depth || source.pair || mentionsIndex(source.query, key))
    return {};
  std::vector<const Expr *> dots;
  walk(source.score, [&](const Expr &node) {
    if (node.kind == ExprKind::Dot)
      dots.push_back(&node);
  });
  if (dots.size() != 1 || !dots[0]->args[0]->isSpecial(ExprSpecial::QueryVector) ||
      dots[0]->args[1]->kind != ExprKind::Read)
    return {};
  const ExprRef &read = dots[0]->args[1];
  RelativeTerm term;
  auto row = std::make_shared<Expr>(*read);
  for (size_t axis = 0; axis < read->args.size(); ++axis) {
    const ExprRef &subscript = read->args[axis];
    if (subscript->kind == ExprKind::WholeAxis) {
      if (axis + 1 != read->args.size())
        return {};
      row->args[axis] = makeName(ExprKind::Index, source.depth->name, ExprType::Int);
    } else if (mentionsIndex(subscript, key) || mentionsIndex(subscript, "q_idx")) {
      if (term.at || slopeOf(subscript, key) != 1 || slopeOf(subscript, "q_idx") != -1)
        return {};
      term.at = subscript;
      row->args[axis] = makeName(ExprKind::Index, "distance", ExprType::Int);
      term.index.name = "distance";
      term.index.extent.text = "distance of " + read->name;
    } else if (subscript->kind != ExprKind::Index && !subscript->isNumber()) {
      return {};
    }
  }
  if (!term.at)
    return {};
  term.row = row;
  term.score = rewrite(source.score, [&](const ExprRef &node) {
    return node.get() == dots[0] ? makeSpecial(ExprSpecial::Relative, node->where) : nullptr;
  });
  return term;
}
