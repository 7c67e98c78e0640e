//===- StepReader.cpp - one step of a spec, checked -------------------------===//

#include "specs/reader/BodyReader.h"

#include <algorithm>

using namespace heddle;

bool heddle::checkKeys(const JsonValue &object, const std::vector<std::string> &allowed,
                       Diagnostics &diagnostics) {
  bool good = true;
  for (size_t i = 0; i < object.members.size(); ++i) {
    const std::string &key = object.members[i].first;
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end())
      continue;
    good = false;
    std::string nearest = nearestName(key, allowed);
    diagnostics.error(SpecCode::UnknownKey, object.keys[i], "unknown key '" + key + "'",
                      nearest.empty() ? "allowed here: " + joinNames(allowed)
                                      : "did you mean '" + nearest + "'?");
  }
  return good;
}

static bool readOutputs(const JsonValue &json, size_t number, SpecStep &step, Spec &spec,
                        Diagnostics &diagnostics) {
  const JsonValue *as = json.find("as");
  if (!as)
    return diagnostics.error(SpecCode::Missing, json.where, "'as' is missing", "name the output: \"as\": \"o\""), false;
  auto add = [&](const std::string &kind, const JsonValue &value, SourceRange where) {
    if (value.kind != JsonValue::Kind::String)
      return diagnostics.error(SpecCode::Type, value.where, std::string("expected a name, got ") + value.kindName()), false;
    std::optional<std::vector<Extent>> axes = BodyReader::axesOf(step, kind);
    if (!axes)
      return diagnostics.error(SpecCode::UnknownName, where, "this step has no output '" + kind + "'",
                               step.getIf<AttendStep>() ? "there are out, lse (of a softmax)"
                                                        : "there are out, state, sum (with 'divide')"),
             false;
    if (!isName(value.text))
      return diagnostics.error(SpecCode::Syntax, value.where, "'" + value.text + "' is no name"), false;
    if (spec.findTensor(value.text))
      return diagnostics.error(SpecCode::Shadow, value.where, "a tensor '" + value.text + "' is there already"), false;
    SpecTensor tensor;
    tensor.name = value.text;
    tensor.axes = *axes;
    tensor.step = int(number);
    tensor.output = kind;
    tensor.where = value.where;
    spec.tensors.push_back(tensor);
    step.outputs.push_back({kind, value.text, value.where});
    return true;
  };
  if (as->kind == JsonValue::Kind::String)
    return add("out", *as, as->where);
  if (as->kind != JsonValue::Kind::Object)
    return diagnostics.error(SpecCode::Type, as->where, "expected a name or an object of names"), false;
  for (size_t i = 0; i < as->members.size(); ++i)
    if (!add(as->members[i].first, as->members[i].second, as->keys[i]))
      return false;
  return true;
}

bool heddle::readStep(const JsonValue &json, size_t number, Spec &spec, Diagnostics &diagnostics) {
  if (json.kind != JsonValue::Kind::Object)
    return diagnostics.error(SpecCode::Type, json.where, std::string("expected a step, got ") + json.kindName()), false;
  static const std::vector<std::string> kinds = {"attend", "recur", "compute", "scan", "select"};
  std::vector<std::string> allowed = kinds;
  allowed.insert(allowed.end(), {"as", "about"});
  if (!checkKeys(json, allowed, diagnostics))
    return false;
  SpecStep step;
  step.where = json.where;
  const JsonValue *body = nullptr;
  std::string kind;
  for (size_t i = 0; i < json.members.size(); ++i)
    if (std::find(kinds.begin(), kinds.end(), json.members[i].first) != kinds.end()) {
      if (body)
        return diagnostics.error(SpecCode::UnknownKey, json.keys[i], "a step has one kind, got '" + kind + "' and '" + json.members[i].first + "'"), false;
      body = &json.members[i].second;
      kind = json.members[i].first;
      step.whereKind = json.keys[i];
    }
  if (!body)
    return diagnostics.error(SpecCode::Missing, json.where, "the kind of the step is missing", "one of " + joinNames(kinds)), false;
  if (kind != "attend" && kind != "recur")
    return diagnostics.error(SpecCode::Later, step.whereKind, "the step '" + kind + "' cannot be compiled yet"), false;
  if (body->kind != JsonValue::Kind::Object)
    return diagnostics.error(SpecCode::Type, body->where, std::string("expected an object, got ") + body->kindName()), false;
  BodyReader reader(*body, spec, diagnostics);
  bool good;
  if (kind == "attend") {
    step.body = AttendStep();
    good = reader.attend(std::get<AttendStep>(step.body));
  } else {
    step.body = RecurStep();
    good = reader.recur(std::get<RecurStep>(step.body));
  }
  if (!good || !readOutputs(json, number, step, spec, diagnostics))
    return false;
  spec.steps.push_back(std::move(step));
  return true;
}
