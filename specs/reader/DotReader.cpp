//===- DotReader.cpp - dot(): a product over one axis ------------------------===//

#include "specs/reader/Scope.h"

using namespace heddle;

/// A read with one `:`, or `query` or `key` of the step. `length`: of the axis.
ExprRef Scope::dotArgument(const RawExpr &raw, std::optional<Extent> &length) {
  for (ExprSpecial special : {ExprSpecial::QueryVector, ExprSpecial::KeyVector})
    if (raw.kind == RawExpr::Kind::Name && raw.text == spelling(special)) {
      if (!view->specials.count(special) || !view->depth)
        return fail(SpecCode::Scope, raw.where, "'" + raw.text + "' has no value here",
                    "it is known in score, mask, normalize, stats and weight of an attend with d");
      length = view->depth;
      return makeSpecial(special, raw.where);
    }
  const SpecTensor *tensor = raw.kind == RawExpr::Kind::Read ? spec.findTensor(raw.text) : nullptr;
  if (!tensor) {
    if (raw.kind == RawExpr::Kind::Read)
      return node(raw); // tells
    return fail(SpecCode::Type, raw.where, "dot() takes reads with one ':', and query or key",
                "as in dot(query, table[h, r, :])");
  }
  if (tensor->axes.size() != raw.args.size())
    return fail(SpecCode::Rank, raw.where,
                "'" + raw.text + "' has " + std::to_string(tensor->axes.size()) + " axes, got " +
                    std::to_string(raw.args.size()) + " subscripts");
  std::vector<ExprRef> subscripts;
  int whole = 0;
  for (size_t i = 0; i < raw.args.size(); ++i) {
    if (raw.args[i]->kind == RawExpr::Kind::WholeAxis) {
      auto axis = std::make_shared<Expr>();
      axis->kind = ExprKind::WholeAxis;
      axis->where = raw.args[i]->where;
      subscripts.push_back(axis);
      length = tensor->axes[i];
      ++whole;
      continue;
    }
    ExprRef subscript = node(*raw.args[i]);
    if (!subscript)
      return nullptr;
    if (subscript->type != ExprType::Int)
      return fail(SpecCode::Type, raw.args[i]->where,
                  "a subscript is an integer, got " + std::string(spelling(subscript->type)));
    subscripts.push_back(subscript);
  }
  if (whole != 1)
    return fail(SpecCode::Rank, raw.where,
                "an argument of dot() has one ':', got " + std::to_string(whole));
  ExprRef read = makeRead(raw.text, std::move(subscripts), tensor->type, raw.where);
  return read->type == ExprType::Bool
             ? fail(SpecCode::Type, raw.where, "dot() takes numbers, got bool")
             : read;
}

ExprRef Scope::dot(const RawExpr &raw) {
  if (raw.args.size() != 2)
    return fail(SpecCode::Rank, raw.where,
                "dot() takes 2 arguments, got " + std::to_string(raw.args.size()));
  std::optional<Extent> first, second;
  ExprRef a = dotArgument(*raw.args[0], first), b = a ? dotArgument(*raw.args[1], second) : nullptr;
  if (!b)
    return nullptr;
  bool numbers = first->size->isNumber() && second->size->isNumber();
  bool differ =
      numbers ? first->size->intValue != second->size->intValue : first->text != second->text;
  if (differ)
    return fail(SpecCode::Range, raw.where,
                "the arguments of dot() have the lengths " + first->text + " and " + second->text);
  auto expr = std::make_shared<Expr>();
  expr->kind = ExprKind::Dot;
  expr->type =
      a->type == ExprType::Int && b->type == ExprType::Int ? ExprType::Int : ExprType::Float;
  expr->where = raw.where;
  expr->args = {a, b, first->size};
  expr->treeSize = a->treeSize + b->treeSize + first->size->treeSize + 1;
  return expr;
}
