//===- TileObstacle.cpp - which steps are tiles, and why others are loops ----------------------===//

#include "dialect/TileObstacle.h"
#include "dialect/IntegerRange.h"
#include "dialect/RelativeTerm.h"
#include "dialect/loops/Prefix.h"

using namespace heddle;

/// What no region of a surface op holds.
static std::string obstacleOf(const Expr &node) {
  bool shift = node.kind == ExprKind::Binary &&
               (node.binary == BinaryOp::Shl || node.binary == BinaryOp::Shr);
  bool smallCount = shift && node.args[1]->isNumber() && node.args[1]->intValue >= 0 &&
                    node.args[1]->intValue < 31;
  if (node.kind == ExprKind::Dot)
    return "dot()";
  if (node.isSpecial(ExprSpecial::Source))
    return "'source'";
  if (node.kind == ExprKind::Statistic)
    return "a statistic";
  return shift && !smallCount ? "a shift by a count that is no constant from 0 to 30" : "";
}

/// The number c of `index op c`; else 0.
static int64_t divisorOf(const ExprRef &expr, BinaryOp op, const std::string &index) {
  if (expr->kind != ExprKind::Binary || expr->binary != op || !expr->args[0]->isIndex(index) ||
      !expr->args[1]->isNumber())
    return 0;
  return expr->args[1]->intValue;
}

NestedGroups heddle::nestedGroups(const AttendStep &step) {
  if (step.normalize != NormalizeKind::Nested || step.sources.size() != 1 || step.sink ||
      step.sources.front().keys.size() != 1)
    return {};
  const AttendSource &source = step.sources.front();
  const std::string &key = source.keys.front().name;
  NestedGroups groups;
  ExprRef number = source.group;
  groups.grouped = makeBool(true);
  if (number->kind == ExprKind::Select && number->args[2]->isNumber() &&
      number->args[2]->intValue < 0) {
    groups.grouped = number->args[0];
    number = number->args[1];
  }
  groups.size = divisorOf(number, BinaryOp::FloorDiv, key);
  const ExprRef &leader = source.leader;
  auto varies = [](const Expr &node) {
    return node.kind == ExprKind::Index || node.kind == ExprKind::Special ||
           node.kind == ExprKind::Read;
  };
  bool one = leader->kind == ExprKind::Binary && leader->binary == BinaryOp::Eq &&
             !anyNode(leader->args[1], varies) &&
             divisorOf(leader->args[0], BinaryOp::Mod, key) == groups.size;
  constexpr int64_t least = 2, most = 256;
  if (!one || groups.size < least || groups.size > most)
    return {};
  return groups;
}

static std::string obstacleOf(const AttendStep &body) {
  const AttendSource &source = body.sources.front();
  if (body.sources.size() != 1)
    return "several key sources";
  if (body.normalize == NormalizeKind::Given)
    return "normalize 'given'";
  if (body.normalize == NormalizeKind::Nested && !nestedGroups(body).size)
    return "normalize 'nested', not by runs of 2 to 256 keys with one leader each";
  if (!body.stats.empty())
    return "statistics";
  if (body.rows.empty())
    return "no row indices";
  if (source.keys.size() != 1)
    return "several key indices";
  if (source.pair)
    return "'pair'";
  if (source.query && !source.depth)
    return "no index d";
  if (source.query && mentionsIndex(source.query, source.keys.front().name))
    return "a query that mentions the key index";
  if (!source.weight->isSpecial(ExprSpecial::Weight))
    return "'weight'";
  return "";
}

static std::string obstacleOf(const RecurStep &body) {
  if (body.rule != RecurRule::Add)
    return "another rule than 'add'";
  if (body.readBefore)
    return "read 'before'";
  if (body.reverse)
    return "'reverse'";
  if (!body.depth || !body.column)
    return "a state without d or without e";
  if (mentionsIndex(body.decay, body.depth->name) || mentionsIndex(body.decay, body.column->name))
    return "a decay per channel";
  return "";
}

std::string heddle::tileObstacle(const Spec &spec, const SpecStep &step) {
  std::string reason;
  if (isPrefixScan(step))
    return "a prefix scan: each row continues the one before";
  if (const AttendStep *attend = step.getIf<AttendStep>())
    reason = obstacleOf(*attend);
  else if (const RecurStep *recur = step.getIf<RecurStep>())
    reason = obstacleOf(*recur);
  else
    return "no attend or recur";
  for (const StepOutput &output : step.outputs)
    for (const char *kind : {"weights", "scores", "momentum"})
      if (output.kind == kind && reason.empty())
        reason = "the output '" + output.kind + "'";
  if (!reason.empty())
    return reason;
  const AttendStep *attend = step.getIf<AttendStep>();
  IntegerRanges ranges(spec, step);
  RelativeTerm relative = attend ? relativeTerm(*attend) : RelativeTerm();
  forEachExpr(step, [&](const ExprRef &expr) {
    bool isScore = relative.score && expr == attend->sources.front().score;
    walk(isScore ? relative.score : expr, [&](const Expr &node) {
      if (reason.empty())
        reason = obstacleOf(node);
    });
    if (!reason.empty())
      return;
    std::string wide = ranges.tooWide(expr);
    if (!wide.empty())
      reason = "an integer that 32 bits may not hold: " + wide;
  });
  return reason;
}
