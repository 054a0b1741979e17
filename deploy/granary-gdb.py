# For gdb: shows the fibers that wait, which no thread shows. Works in a running program and in a core file, on x86-64 and
# AArch64, if libgranary_runtime has its debug information (all of our build types have it; `strip` takes it away).
#
#   source granary-gdb.py
#   granary fibers        each fiber that waits: its number, its actor, and which function of the program waits
#   granary fiber NUMBER  bt, frame, up, down and info locals show this fiber from now on
#   granary threads       they show threads again; do this before the program goes on
#
# How: an actor's waits are in a list, and a suspended fiber has left its registers on its stack. While a fiber is chosen, an
# unwinder says that they are those of the caller of the selected thread's frame 0: so the fiber begins at frame 1.
#
# SPDX-License-Identifier: Apache-2.0
import gdb
import gdb.unwinder

# As fiber_*.S saves them: how far above the saved stack pointer each register is, and where the stack was before.
LAYOUTS = {
    "i386:x86-64": ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}, "rsp", 64),
    "aarch64": ({**{"x%d" % (19 + i): 8 * i for i in range(12)}, "pc": 88}, "sp", 160),
}
CHUNK_BITS = 12  # GRI_TABLE_CHUNK_BITS
ACTOR = 0  # GRI_ACTOR


def address(value):
    """A pointer, atomic or not, as a number."""
    return int(value.cast(gdb.lookup_type("unsigned long")))


def pointer_to(type_name, number):
    return gdb.Value(number).cast(gdb.lookup_type(type_name).pointer())


def system_of_thread():
    """The system of which the selected thread is a worker, as a number; 0: it is none."""
    try:
        worker = gdb.parse_and_eval("gri_this_thread")["worker"]
    except gdb.error:
        return 0  # a thread that has not used Granary yet
    if not address(worker) or "gri_workers_next" not in str(worker["ops"]["next"]):
        return 0
    return address(pointer_to("gri_station", address(worker["own"]))["sys"])


def systems():
    chosen = gdb.selected_thread()
    found = []
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        number = system_of_thread()
        if number and number not in found:
            found.append(number)
    if chosen is not None:
        chosen.switch()
    return [pointer_to("gr_system", number) for number in found]


def actors(system):
    table = system["table"]
    for slot in range(int(table["slots"])):
        chunk = address(table["chunks"][slot >> CHUNK_BITS])
        process = address(pointer_to("gri_process_chunk", chunk)["at"][slot % (1 << CHUNK_BITS)]) if chunk else 0
        if process and int(pointer_to("gri_process", process)["kind"]) == ACTOR:
            yield slot, pointer_to("gri_actor", process)


def waiting_fibers():
    """Each as (slot, actor, fiber)."""
    for system in systems():
        for slot, actor in actors(system):
            wait = actor["extras"]["waits"]["lh_first"] if address(actor["extras"]) else None
            while wait is not None and address(wait):
                yield slot, actor, wait["fiber"]
                wait = wait["parked"]["le_next"]


class FiberUnwinder(gdb.unwinder.Unwinder):
    """Continues from the selected thread's frame 0 with the registers of a suspended fiber."""

    class Id:
        def __init__(self, sp, pc):
            self.sp = sp
            self.pc = pc

    def __init__(self):
        super().__init__("granary-fiber")
        self.sp = None  # of the chosen fiber
        self.thread = None
        self.thread_sp = None

    def choose(self, sp):
        self.sp = None
        gdb.invalidate_cached_frames()
        if sp is not None:
            self.thread = gdb.selected_thread().ptid
            self.thread_sp = int(gdb.newest_frame().read_register(layout()[1]))
            self.sp = sp
            gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.sp is None or gdb.selected_thread().ptid != self.thread:
            return None
        registers, sp_name, above = layout_of(pending.architecture().name())
        if int(pending.read_register(sp_name)) != self.thread_sp:
            return None
        # Any address of a frame that is below all others, so that gdb does not take the way to the fiber for a corrupt stack.
        unwound = pending.create_unwind_info(self.Id(gdb.Value(16), gdb.Value(0)))
        word = gdb.lookup_type("unsigned long")
        for name, offset in registers.items():
            unwound.add_saved_register(name, gdb.Value(self.sp + offset).cast(word.pointer()).dereference())
        unwound.add_saved_register(sp_name, gdb.Value(self.sp + above).cast(word))
        return unwound


def layout_of(architecture):
    if architecture not in LAYOUTS:
        raise gdb.GdbError("the fibers of %s are not known here, only those of %s" % (architecture, " and ".join(LAYOUTS)))
    return LAYOUTS[architecture]


def layout():
    return layout_of(gdb.newest_frame().architecture().name())


unwinder = FiberUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


def name_of(slot, actor):
    """Its slot and generation, as in its pid; its type, and for a grain its identity."""
    generation = int(actor["base"]["generation"].cast(gdb.lookup_type("unsigned int")))
    name = "%d.%d %s" % (slot, generation, actor["props"]["type_name"].string())
    if "live_receive" in str(actor["props"]["receive"]):
        name += " " + pointer_to("gri_activation", address(actor["props"]["arg"]))["identity"].string()
    return name


def frames_of(fiber):
    """The frames of a fiber, from the switch outwards."""
    unwinder.choose(address(fiber["sp"]))
    frame = gdb.newest_frame().older()
    while frame is not None:
        yield frame
        frame = frame.older()


def waits_in(fiber):
    """The function that has called Granary, and its line."""
    inside = False
    for frame in frames_of(fiber):
        name = frame.name() or "?"
        place = frame.find_sal()
        file = place.symtab.filename if place.symtab is not None else ""
        if inside and not name.startswith(("gr_", "gri_")) and not file.endswith(".grain.c"):
            return "%s (%s:%d)" % (name, file, place.line) if file else name
        inside = inside or name.startswith("gr_")
    return "Granary itself"


class Granary(gdb.Command):
    """The fibers of a program that uses Granary."""

    def __init__(self):
        super().__init__("granary", gdb.COMMAND_STACK, prefix=True)


class Fibers(gdb.Command):
    """Lists the fibers that wait: their numbers, actors, and what waits."""

    def __init__(self):
        super().__init__("granary fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        chosen = unwinder.sp
        found = list(waiting_fibers())
        for number, (slot, actor, fiber) in enumerate(found, 1):
            print("%4d  %s in %s" % (number, name_of(slot, actor), waits_in(fiber)))
        unwinder.choose(chosen)
        print("%d waiting" % len(found))


class Fiber(gdb.Command):
    """Makes bt, frame, up, down and info locals show the fiber of a number that `granary fibers` has printed."""

    def __init__(self):
        super().__init__("granary fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        unwinder.choose(None)
        found = list(waiting_fibers())
        if not argument.isdigit() or not 1 <= int(argument) <= len(found):
            raise gdb.GdbError("granary fiber takes a number from 1 to %d; see `granary fibers`" % len(found))
        unwinder.choose(address(found[int(argument) - 1][2]["sp"]))
        gdb.execute("frame 1")


class Threads(gdb.Command):
    """Makes bt and the like show threads again."""

    def __init__(self):
        super().__init__("granary threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        unwinder.choose(None)


Granary()
Fibers()
Fiber()
Threads()
