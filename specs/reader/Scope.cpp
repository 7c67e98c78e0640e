//===- Scope.cpp - what names mean, and expressions in it -------------------===//

#include "specs/reader/Scope.h"

#include <limits>

using namespace heddle;

namespace {
constexpr uint32_t maxTree = 4096;

const std::pair<const char *, ExprFunction> functions[] = {
    {"abs", ExprFunction::Abs},     {"relu", ExprFunction::Relu},
    {"min", ExprFunction::Min},     {"max", ExprFunction::Max},
    {"exp", ExprFunction::Exp},     {"exp2", ExprFunction::Exp2},
    {"log", ExprFunction::Log},     {"log2", ExprFunction::Log2},
    {"sqrt", ExprFunction::Sqrt},   {"rsqrt", ExprFunction::Rsqrt},
    {"tanh", ExprFunction::Tanh},   {"sigmoid", ExprFunction::Sigmoid},
    {"sin", ExprFunction::Sin},     {"cos", ExprFunction::Cos},
    {"erf", ExprFunction::Erf},     {"pow", ExprFunction::Pow},
    {"floor", ExprFunction::Floor}, {"ceil", ExprFunction::Ceil}};
} // namespace

bool heddle::isReserved(const std::string &name) {
  static const std::set<std::string> words = {
      "true",   "false", "inf",    "pi",     "causal", "pos",    "q_idx",
      "kv_idx", "h_kv",  "source", "score",  "weight", "sum",    "query",
      "key",    "dot",   "window", "random", "where",  "select", "round"};
  if (words.count(name))
    return true;
  for (const auto &[word, function] : functions)
    if (name == word)
      return true;
  return false;
}

/// "1 axis", "2 axes"
static std::string counted(size_t count, const char *one, const char *many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

ExprRef Scope::fail(SpecCode code, SourceRange where, std::string message, std::string help) {
  diagnostics.error(code, where, std::move(message), std::move(help));
  return nullptr;
}

bool Scope::isTaken(const std::string &name) const {
  return spec.findDim(name) || spec.findParam(name) || lets.count(name) || name == "true" ||
         name == "false" || name == "inf" || name == "pi" || name == "pos";
}
const IndexRange *Scope::findIndex(const std::string &name) const {
  auto found = indices.find(name);
  return found == indices.end() ? nullptr : &found->second;
}

bool Scope::addIndex(const IndexRange &range) {
  bool fixed = range.name == "q_idx" || range.name == "kv_idx" || range.name == "h_kv";
  if (!isName(range.name))
    return fail(SpecCode::Syntax, range.where, "'" + range.name + "' is no name"), false;
  if ((isReserved(range.name) && !fixed) || isTaken(range.name) || indices.count(range.name))
    return fail(SpecCode::Shadow, range.where, "'" + range.name + "' already means something here",
                "give the index another name"),
           false;
  indices[range.name] = range;
  return true;
}

bool Scope::addLet(const std::string &name, SourceRange where, RawRef value) {
  if (!isName(name))
    return fail(SpecCode::Syntax, where, "'" + name + "' is no name"), false;
  if (isReserved(name) || isTaken(name))
    return fail(SpecCode::Shadow, where, "'" + name + "' already means something here",
                "give the let another name"),
           false;
  lets[name] = std::move(value);
  return true;
}

bool Scope::visible(const std::string &index) const {
  for (const std::string &name : view->indices)
    if (name == index)
      return true;
  return false;
}

ExprRef Scope::resolve(const RawRef &raw, const View &seen) {
  if (!raw)
    return nullptr;
  view = &seen;
  open.clear();
  ExprRef expr = node(*raw);
  if (expr && expr->treeSize > maxTree)
    return fail(SpecCode::TooLarge, raw->where,
                "more than 4096 operands and operators with the lets put in");
  return expr;
}

ExprRef Scope::resolve(const RawRef &raw, const View &seen, ExprType type) {
  ExprRef expr = resolve(raw, seen);
  if (!expr || expr->type == type)
    return expr;
  if (type == ExprType::Float && expr->type == ExprType::Int)
    return makeFloatOf(expr);
  std::string help;
  if (type == ExprType::Bool)
    help = "compare it, as in x != 0";
  else if (expr->type == ExprType::Bool)
    help = "a number from a bool is written c ? 1 : 0";
  return fail(SpecCode::Type, raw->where,
              "expected " + std::string(spelling(type)) + ", got " +
                  std::string(spelling(expr->type)),
              help);
}

ExprRef Scope::node(const RawExpr &raw) {
  switch (raw.kind) {
  case RawExpr::Kind::Integer:
    return makeInt(raw.integer, raw.where);
  case RawExpr::Kind::Float:
    return makeFloat(raw.number, raw.where);
  case RawExpr::Kind::Name:
    return name(raw);
  case RawExpr::Kind::Read:
    return read(raw);
  case RawExpr::Kind::Call:
    return call(raw);
  case RawExpr::Kind::Unary:
    return unary(raw);
  case RawExpr::Kind::Binary:
    return binary(raw);
  case RawExpr::Kind::Select:
    return select(raw);
  case RawExpr::Kind::WholeAxis:
    return fail(SpecCode::Type, raw.where, "':' stands only in an argument of dot()");
  }
  return nullptr;
}

ExprRef Scope::name(const RawExpr &raw) {
  const std::string &word = raw.text;
  if (auto let = lets.find(word); let != lets.end()) {
    if (!open.insert(word).second)
      return fail(SpecCode::Cycle, raw.where, "'" + word + "' is defined by itself");
    ExprRef expr = node(*let->second);
    open.erase(word);
    return expr;
  }
  for (ExprSpecial special : view->specials) {
    if (word != spelling(special))
      continue;
    if (special == ExprSpecial::QueryVector || special == ExprSpecial::KeyVector)
      return fail(SpecCode::Scope, raw.where, "'" + word + "' is a vector here",
                  "it stands only in dot(" + word + ", ...)");
    return makeSpecial(special, raw.where);
  }
  if (auto statistic = view->statistics.find(word); statistic != view->statistics.end())
    return makeName(ExprKind::Statistic, word, statistic->second, raw.where);
  if (word == "h_kv" && !visible("h_kv"))
    return keyHead(raw);
  if (const IndexRange *index = findIndex(word)) {
    if (!visible(word))
      return fail(SpecCode::Scope, raw.where, "the index '" + word + "' has no value here",
                  "known here: " + joinNames(view->indices));
    return makeName(ExprKind::Index, index->name, ExprType::Int, raw.where);
  }
  if (spec.findDim(word))
    return makeName(ExprKind::Dim, word, ExprType::Int, raw.where);
  if (const SpecParam *param = spec.findParam(word)) {
    if (param->isRuntime)
      return makeName(ExprKind::Param, word, param->value.type, raw.where);
    const ExprValue &value = param->value;
    return value.type == ExprType::Float  ? makeFloat(value.f, raw.where)
           : value.type == ExprType::Bool ? makeBool(value.i, raw.where)
                                          : makeInt(value.i, raw.where);
  }
  if (word == "true" || word == "false")
    return makeBool(word == "true", raw.where);
  if (word == "inf")
    return makeFloat(std::numeric_limits<double>::infinity(), raw.where);
  if (word == "pi")
    return makeFloat(3.14159265358979323846, raw.where);
  if (word == "pos")
    return position(raw);
  if (word == "causal") {
    RawExpr key = raw;
    key.text = "kv_idx";
    ExprRef left = name(key), right = left ? position(raw) : nullptr;
    return right ? makeBinary(BinaryOp::Le, left, right, raw.where) : nullptr;
  }
  return unknown(raw);
}

/// h_kv = h // (H // Hkv): the heads of a group share a key head.
ExprRef Scope::keyHead(const RawExpr &raw) {
  const IndexRange *heads = findIndex("h"), *keyHeads = findIndex("h_kv");
  if (!heads || !keyHeads || !visible("h"))
    return fail(SpecCode::Scope, raw.where, "'h_kv' has no value here",
                "it needs the row index h, and a read where h_kv stands alone");
  ExprRef group =
      makeBinary(BinaryOp::FloorDiv, heads->extent.size, keyHeads->extent.size, raw.where);
  ExprRef h = makeName(ExprKind::Index, "h", ExprType::Int, raw.where);
  auto expr = std::make_shared<Expr>(*makeBinary(BinaryOp::FloorDiv, h, group, raw.where));
  expr->name = "h_kv";
  return expr;
}

ExprRef Scope::position(const RawExpr &raw) {
  if (!findIndex("q_idx") || !visible("q_idx"))
    return fail(SpecCode::Scope, raw.where, "'" + raw.text + "' has no value here",
                "pos is q_idx + offset: it needs the row index q_idx");
  return makeSpecial(ExprSpecial::Pos, raw.where);
}

ExprRef Scope::unknown(const RawExpr &raw) {
  std::vector<std::string> names = view->indices;
  for (const SpecDim &dim : spec.dims)
    names.push_back(dim.name);
  for (const SpecParam &param : spec.params)
    names.push_back(param.name);
  for (const auto &[let, value] : lets)
    names.push_back(let);
  for (ExprSpecial special : view->specials)
    if (special != ExprSpecial::QueryVector && special != ExprSpecial::KeyVector)
      names.emplace_back(spelling(special));
  if (spec.findTensor(raw.text))
    return fail(SpecCode::UnknownName, raw.where, "'" + raw.text + "' is a tensor",
                "a tensor is read with subscripts: " + raw.text + "[...]");
  std::string known = "known here: " + joinNames(names);
  if (findIndex("q_idx") && visible("q_idx"))
    names.insert(names.end(), {"pos", "causal", "window"});
  std::string nearest = nearestName(raw.text, names);
  return fail(SpecCode::UnknownName, raw.where, "unknown name '" + raw.text + "'",
              nearest.empty() ? known : "did you mean '" + nearest + "'? " + known);
}

ExprRef Scope::read(const RawExpr &raw) {
  if (view->constant)
    return fail(SpecCode::Scope, raw.where, "a tensor has no value here",
                "sizes and conditions on them mention dims and params only");
  const SpecTensor *tensor = spec.findTensor(raw.text);
  if (!tensor) {
    std::vector<std::string> names;
    for (const SpecTensor &known : spec.tensors)
      names.push_back(known.name);
    std::string nearest = nearestName(raw.text, names);
    return fail(SpecCode::UnknownName, raw.where, "unknown tensor '" + raw.text + "'",
                nearest.empty() ? "tensors here: " + joinNames(names)
                                : "did you mean '" + nearest + "'?");
  }
  if (tensor->axes.size() != raw.args.size())
    return fail(SpecCode::Rank, raw.where,
                "'" + raw.text + "' has " + counted(tensor->axes.size(), "axis", "axes") +
                    ", got " + counted(raw.args.size(), "subscript", "subscripts"));
  std::vector<ExprRef> subscripts;
  for (const RawRef &arg : raw.args) {
    ExprRef subscript = node(*arg);
    if (!subscript)
      return nullptr;
    if (subscript->type != ExprType::Int)
      return fail(SpecCode::Type, arg->where,
                  "a subscript is an integer, got " + std::string(spelling(subscript->type)),
                  subscript->type == ExprType::Float ? "use floor(x)" : "");
    subscripts.push_back(std::move(subscript));
  }
  return makeRead(raw.text, std::move(subscripts), tensor->type, raw.where);
}

ExprRef Scope::call(const RawExpr &raw) {
  if (raw.text == "window")
    return window(raw);
  if (raw.text == "dot")
    return dot(raw);
  const ExprFunction *function = nullptr;
  std::vector<std::string> names = {"dot", "window"};
  for (const auto &[word, value] : functions) {
    names.push_back(word);
    if (raw.text == word)
      function = &value;
  }
  if (!function) {
    std::string nearest = nearestName(raw.text, names);
    return fail(SpecCode::UnknownName, raw.where, "unknown function '" + raw.text + "'",
                nearest.empty() ? "there are " + joinNames(names)
                                : "did you mean '" + nearest + "'?");
  }
  bool many = *function == ExprFunction::Min || *function == ExprFunction::Max;
  size_t count = *function == ExprFunction::Pow ? 2 : 1;
  if (many ? raw.args.size() < 2 : raw.args.size() != count)
    return fail(SpecCode::Rank, raw.where,
                raw.text + "() takes " + (many ? "two or more" : std::to_string(count)) +
                    " arguments, got " + std::to_string(raw.args.size()));
  std::vector<ExprRef> args;
  for (const RawRef &arg : raw.args) {
    ExprRef value = node(*arg);
    if (!value)
      return nullptr;
    if (value->type == ExprType::Bool)
      return fail(SpecCode::Type, arg->where, raw.text + "() takes numbers, got bool");
    args.push_back(std::move(value));
  }
  return makeCall(*function, std::move(args), raw.where);
}

/// (l < 0 || pos - kv_idx <= l) && (r < 0 || kv_idx - pos <= r)
ExprRef Scope::window(const RawExpr &raw) {
  if (raw.args.size() != 2)
    return fail(SpecCode::Rank, raw.where,
                "window() takes 2 arguments, got " + std::to_string(raw.args.size()));
  RawExpr keyName = raw;
  keyName.text = "kv_idx";
  ExprRef key = name(keyName), pos = key ? position(raw) : nullptr;
  if (!pos)
    return nullptr;
  ExprRef sides[2];
  for (int i = 0; i < 2; ++i) {
    ExprRef width = node(*raw.args[i]);
    if (!width)
      return nullptr;
    if (width->type != ExprType::Int)
      return fail(SpecCode::Type, raw.args[i]->where,
                  "a window is an integer, got " + std::string(spelling(width->type)));
    ExprRef far = i == 0 ? makeBinary(BinaryOp::Sub, pos, key, raw.where)
                         : makeBinary(BinaryOp::Sub, key, pos, raw.where);
    ExprRef near = makeBinary(BinaryOp::Le, far, width, raw.where);
    sides[i] = near;
    if (!width->isNumber())
      sides[i] = makeBinary(BinaryOp::Or,
                            makeBinary(BinaryOp::Lt, width, makeInt(0, raw.where), raw.where), near,
                            raw.where);
    else if (width->intValue < 0)
      sides[i] = makeBool(true, raw.where);
  }
  if (sides[0]->isTrue() || sides[1]->isTrue())
    return sides[0]->isTrue() ? sides[1] : sides[0];
  return makeBinary(BinaryOp::And, sides[0], sides[1], raw.where);
}

ExprRef Scope::unary(const RawExpr &raw) {
  ExprRef arg = node(*raw.args[0]);
  if (!arg)
    return nullptr;
  bool isNot = raw.text == "!";
  if (isNot != (arg->type == ExprType::Bool))
    return fail(SpecCode::Type, raw.where,
                "'" + raw.text + "' does not take " + std::string(spelling(arg->type)));
  if (!isNot && arg->isNumber())
    return arg->type == ExprType::Int ? makeInt(-arg->intValue, raw.where)
                                      : makeFloat(-arg->floatValue, raw.where);
  return makeUnary(isNot ? UnaryOp::Not : UnaryOp::Neg, arg, raw.where);
}

ExprRef Scope::binary(const RawExpr &raw) {
  ExprRef a = node(*raw.args[0]), b = a ? node(*raw.args[1]) : nullptr;
  if (!b)
    return nullptr;
  BinaryOp op = BinaryOp::Add;
  while (spelling(op) != raw.text)
    op = BinaryOp(int(op) + 1);
  auto both = [&](ExprType type) { return a->type == type && b->type == type; };
  bool anyBool = a->type == ExprType::Bool || b->type == ExprType::Bool;
  bool good = !anyBool;
  const char *takes = "numbers";
  if (op == BinaryOp::And || op == BinaryOp::Or) {
    good = both(ExprType::Bool);
    takes = "bools";
  } else if (op >= BinaryOp::FloorDiv && op <= BinaryOp::Shr) {
    good = both(ExprType::Int);
    takes = "integers";
  } else if (op == BinaryOp::Eq || op == BinaryOp::Ne) {
    good = !anyBool || both(ExprType::Bool);
    takes = "two numbers or two bools";
  }
  if (!good)
    return fail(SpecCode::Type, raw.where,
                "'" + raw.text + "' takes " + takes + ", got " + std::string(spelling(a->type)) +
                    " and " + std::string(spelling(b->type)));
  return makeBinary(op, a, b, raw.where);
}

ExprRef Scope::select(const RawExpr &raw) {
  ExprRef test = node(*raw.args[0]), yes = test ? node(*raw.args[1]) : nullptr;
  ExprRef no = yes ? node(*raw.args[2]) : nullptr;
  if (!no)
    return nullptr;
  if (test->type != ExprType::Bool)
    return fail(SpecCode::Type, raw.args[0]->where,
                "the condition of '?:' is a bool, got " + std::string(spelling(test->type)));
  if ((yes->type == ExprType::Bool) != (no->type == ExprType::Bool))
    return fail(SpecCode::Type, raw.where,
                "the branches of '?:' are " + std::string(spelling(yes->type)) + " and " +
                    std::string(spelling(no->type)));
  return makeSelect(test, yes, no, raw.where);
}
