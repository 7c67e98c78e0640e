//===- Options.td - the options of heddle, by command ------------------------------------------===//

include "llvm/Option/OptParser.td"

def Compile : SubCommand<"compile", "spec to library, header, PTX and manifest; surface ops in FILE.mlir to objects and PTX",
                         "heddle compile SPEC [-o DIR] [options]">;
def Run : SubCommand<"run", "run a spec on .npy files or random input and check the results",
                     "heddle run SPEC [NAME=FILE.npy ...] [options]">;
def Check : SubCommand<"check", "validate a spec; show variants, tiles, workspace, schedule",
                       "heddle check SPEC [options]">;
def Bench : SubCommand<"bench", "time a spec against the peak of this machine",
                       "heddle bench SPEC [options]">;
def Emulate : SubCommand<"emulate", "execute a PTX file without a GPU",
                         "heddle emulate FILE.ptx --kernel=NAME [options]">;

def Show : SubCommand<"show", "show steps, masks and tile classes, as text and as SVG",
                      "heddle show SPEC [--shape N=256,M=256] [--svg FILE] [options]">;
def Explain : SubCommand<"explain", "say what an error code means, and its cure",
                         "heddle explain [CODE ...]">;
def Init : SubCommand<"init", "write a spec to start from",
                      "heddle init NAME [--family FAMILY] [--to FILE]">;
def Doctor : SubCommand<"doctor", "say what was found here, and what will be skipped",
                        "heddle doctor">;

defvar All = [Compile, Run, Check, Bench, Emulate, Show, Explain, Init, Doctor];
defvar Specs = [Compile, Run, Check, Bench, Show];

// --name=VALUE and --name VALUE.
multiclass Value<string name, string metavar, string help, list<SubCommand> commands> {
  def NAME : Joined<["--"], name # "=", commands>, HelpText<help>, MetaVarName<metavar>;
  def NAME # _separate : Separate<["--"], name, commands>, Alias<!cast<Joined>(NAME)>;
}

def help : Flag<["--", "-"], "help", All>, HelpText<"show this">;
def h : Flag<["-"], "h", All>, Alias<help>;

defm size : Value<"size", "D=64,..", "compile dims in: depth and value width must be known", Specs>;
defm param : Value<"param", "NAME=VALUE", "override a param of the spec", Specs>;
defm target : Value<"target", "NAME", "machine to compile for: host, x86-64-v3, x86-64-v4, sm_80, ..; several by comma", Specs>;
defm schedule : Value<"schedule", "F=N,..", "override fields of the schedule: query=96,key=64", Specs>;
defm require : Value<"require", "fast", "a plain body is an error", [Compile, Run, Check, Bench]>;

defm shape : Value<"shape", "B=1,N=512,..", "sizes of the call; the spec's example where absent", [Run, Check, Bench, Show]>;
defm threads : Value<"threads", "N", "threads of the call (default 1)", [Run, Bench]>;
defm seed : Value<"seed", "N", "seed of random inputs, and of the emulator (default 0)", [Run, Bench, Emulate]>;
defm device : Value<"device", "cpu|emulator|cuda", "where it runs (default cpu; emulator for PTX targets)", [Run]>;
defm out : Value<"out", "DIR", "write results as .npy files", [Run]>;
defm strides : Value<"strides", "padded|broadcast", "memory of the tensors other than contiguous", [Run]>;
def json : Flag<["--"], "json", [Run, Check, Bench]>, HelpText<"print one JSON object">;
defm seconds : Value<"seconds", "S", "time to spend measuring (default 3)", [Bench]>;
def large_pages : Flag<["--"], "large-pages", [Bench]>, HelpText<"ask the system for large pages for tensors, as numpy does">;

def o : JoinedOrSeparate<["-"], "o", [Compile]>, HelpText<"folder to write to (default .); - for standard output">, MetaVarName<"DIR">;
defm emit : Value<"emit", "KIND,..", "what to write: lib, header, manifest, obj, ptx, cubin, mlir-after-PASS (default lib,header,manifest,ptx; of FILE.mlir obj,ptx)", [Compile]>;
defm stop_after : Value<"stop-after", "PASS", "print the IR after this pass and stop", [Compile]>;
def time_passes : Flag<["--"], "time-passes", [Compile]>, HelpText<"print the time of each pass">;
def sanitize_address : Flag<["--"], "sanitize-address", [Compile]>, HelpText<"CPU code that checks every access; link with -fsanitize=address">;
def no_canonicalize : Flag<["--"], "no-canonicalize", [Compile, Run]>, HelpText<"leave out clean-up between stages">;

defm head : Value<"head", "N,..", "heads to show (default: all that differ, at most 8)", [Show]>;
defm svg : Value<"svg", "FILE", "write the first mask as a picture", [Show]>;
defm family : Value<"family", "NAME", "softmax, sparse, map, linear or select (default softmax)", [Init]>;
defm to : Value<"to", "FILE", "where to write it (default NAME.json); - for standard output", [Init]>;

defm kernel : Value<"kernel", "NAME", "entry to launch", [Emulate]>;
defm grid : Value<"grid", "X[,Y,Z]", "blocks", [Emulate]>;
defm block : Value<"block", "X[,Y,Z]", "threads of a block", [Emulate]>;
defm smem : Value<"smem", "BYTES", "dynamic shared memory", [Emulate]>;
defm arg : Value<"arg", "VALUE", "u64:N, u32:N, f32:X, or buf:FILE / buf:BYTES (written back to FILE.out)", [Emulate]>;
