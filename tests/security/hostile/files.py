"""Read, write and change what is not the job's own."""

import ctypes
import fcntl
import mmap
import os
import sys
import sysconfig


def read_etc_passwd(facts):
    return open("/etc/passwd").read(10)


def read_etc_shadow(facts):
    return open("/etc/shadow").read(10)


def read_the_operators_file(facts):
    return open(facts["mark"]).read()


def list_the_operators_folder(facts):
    return os.listdir(os.path.dirname(facts["mark"]))


def list_the_operators_home(facts):
    return os.listdir(facts["home"])


def list_the_root_of_other_files(facts):
    return [os.listdir(place) for place in ("/etc", "/home", "/root", "/var")][0]


def stat_the_operators_file(facts):
    return os.stat(facts["mark"]).st_size


def follow_a_symlink_of_ones_own(facts):
    os.symlink(facts["mark"], "link")
    return open("link").read()


def follow_a_symlink_through_proc_root(facts):
    return open("/proc/self/root" + facts["mark"]).read()


def rename_the_operators_file_here(facts):
    os.rename(facts["mark"], "mine")
    return "moved"


def hard_link_the_operators_file(facts):
    os.link(facts["mark"], "mine")
    return open("mine").read()


def open_by_handle(facts):
    from syscall import call

    return call(303, 264, -100, facts["mark"].encode(), ctypes.create_string_buffer(b"\x40" + b"\0" * 99), ctypes.byref(ctypes.c_int()), 0)


def write_beside_the_operators_file(facts):
    open(facts["mark"] + ".new", "w").close()
    return "written"


def write_to_the_operators_file(facts):
    open(facts["mark"], "r+").close()
    return "opened"


def write_to_tmp(facts):
    open("/tmp/casparian-attack", "w").close()
    os.unlink("/tmp/casparian-attack")
    return "written"


def write_to_var_tmp(facts):
    open("/var/tmp/casparian-attack", "w").close()
    return "written"


def write_to_dev_shm(facts):
    open("/dev/shm/casparian-attack", "w").close()
    os.unlink("/dev/shm/casparian-attack")
    return "written"


def write_above_the_scratch_folder(facts):
    open(os.path.join(os.path.dirname(os.getcwd()), "x"), "w").close()
    return "written"


def list_above_the_scratch_folder(facts):
    return os.listdir(os.path.dirname(os.getcwd()))


def write_beside_the_interpreter(facts):
    open(os.path.join(sys.base_prefix, "attack.pth"), "w").close()
    return "written"


def write_into_the_standard_library(facts):
    open(os.path.join(os.path.dirname(os.__file__), "attack.py"), "w").close()
    return "written"


def write_into_the_environment(facts):
    folder = next(path for path in sys.path if facts["venv"] in path)
    open(os.path.join(folder, "attack.pth"), "w").close()
    return "written"


def change_a_library_of_the_environment(facts):
    folder = next(path for path in sys.path if facts["venv"] in path)
    name = os.path.join(folder, sorted(os.listdir(folder))[0])
    os.rename(name, name + ".old")
    return "renamed"


def write_into_the_guest_program(facts):
    import casparian_flow

    open(os.path.join(os.path.dirname(casparian_flow.__file__), "guest.py"), "r+").close()
    return "opened"


def write_beside_the_snapshot(facts):
    folder = os.path.dirname(os.path.realpath(facts["path"]))
    open(os.path.join(folder, "x"), "w").close()
    if not os.path.realpath(facts["path"]).startswith("/proc"):
        return "written"
    raise OSError("the input is no file")


def write_to_ones_input(facts):
    with open(facts["path"], "r+b", buffering=0) as own:
        return own.write(b"changed")


def truncate_ones_input(facts):
    os.truncate(facts["path"], 0)
    return "truncated"


def grow_ones_input(facts):
    os.truncate(facts["path"], 1 << 20)
    return "grown"


def punch_a_hole_into_ones_input(facts):
    fd = os.open(facts["path"], os.O_RDWR)
    if ctypes.CDLL(None, use_errno=True).fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")
    return "punched"


def map_ones_input_writable(facts):
    fd = os.open(facts["path"], os.O_RDWR)
    with mmap.mmap(fd, 4, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as own:
        own[0:1] = b"X"
    return "changed"


def write_through_the_inherited_descriptor(facts):
    for fd in range(3, 64):
        try:
            if fcntl.fcntl(fd, 1034) >= 0:  # F_GET_SEALS: only memfds have them
                return os.pwrite(fd, b"changed", 0)
        except OSError as error:
            if error.errno == 1:
                raise
    raise OSError("no memfd")


def add_seals_to_ones_input(facts):
    fd = os.open(facts["path"], os.O_RDWR)
    return fcntl.fcntl(fd, 1033, 0x10)


def change_a_mode(facts):
    os.chmod(facts["mark"], 0o777)
    return "changed"


def change_a_mode_in_scratch_to_setuid(facts):
    open("x", "w").close()
    os.chmod("x", 0o4777)
    return "changed"


def change_an_owner(facts):
    os.chown(facts["mark"], 0, 0)
    return "changed"


def change_times(facts):
    os.utime(facts["mark"])
    return "changed"


def set_an_attribute(facts):
    os.setxattr(facts["mark"], "user.x", b"1")
    return "set"


def read_attributes(facts):
    return os.listxattr(facts["mark"])


def make_a_device(facts):
    os.mknod("disk", 0o60600, os.makedev(254, 0))
    return "made"


def make_a_fifo(facts):
    os.mkfifo("pipe")
    return "made"


def open_the_first_disk(facts):
    for name in ("/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/mem", "/dev/kmsg"):
        try:
            return os.open(name, os.O_RDONLY)
        except OSError as error:
            last = error
    raise last


def open_the_terminal(facts):
    return os.open("/dev/tty", os.O_RDWR)


def set_the_core_pattern(facts):
    open("/proc/sys/kernel/core_pattern", "w").close()
    return "opened"


def open_sysrq(facts):
    return os.open("/proc/sysrq-trigger", os.O_WRONLY)


def read_kernel_symbols(facts):
    return open("/proc/kallsyms").read(10)


def read_sys(facts):
    return os.listdir("/sys/kernel")


def leave_the_quota_of_one_file(facts):
    with open("big", "wb", buffering=0) as big:
        for _ in range(1 << 10):
            if big.write(b"\0" * (1 << 20)) < 1 << 20:
                raise OSError("short write")
    return "written"


def fill_the_scratch_space(facts):
    for index in range(1 << 10):
        with open(f"part{index}", "wb", buffering=0) as part:
            if part.write(b"\0" * (1 << 20)) < 1 << 20:
                raise OSError("short write")
    return "filled"


def read_the_site_of_the_host(facts):
    return os.listdir(facts["host_site"])


def import_a_library_of_the_host(facts):
    sys.path.append(facts["host_site"])
    try:
        import sqlalchemy
    except ImportError as error:
        raise OSError(str(error)) from error
    return sqlalchemy.__name__


def import_the_engine(facts):
    try:
        from casparian_flow import engine
    except ImportError as error:
        raise OSError(str(error)) from error
    return engine


def read_the_secret_from_the_environment(facts):
    found = [key for key in os.environ if key.startswith("CASPARIAN_SECRET")]
    if not found:
        raise OSError("not there")
    return found


def find_an_environment_that_was_inherited(facts):
    known = {"LANG", "PATH", "TZ", "HOME", "TMPDIR", "PWD", "LC_CTYPE", "POLARS_MAX_THREADS"}
    known.add("LD_BIND_NOW")
    found = [k for k in os.environ if k not in known and not k.endswith(("_CONF", "_THREADS"))]
    if not found:
        raise OSError("nothing")
    return found


def find_descriptors_of_others(facts):
    kinds = {}
    for fd in range(3, 4096):
        try:
            kinds.setdefault(os.fstat(fd).st_mode & 0o170000, []).append(fd)
        except OSError:
            continue
    sockets, rest = kinds.pop(0o140000, []), kinds
    own = rest.pop(0o100000, [])
    if len(sockets) == 1 and len(own) <= 1 and not rest:
        raise OSError("only its own")
    return kinds, sockets, own


def fill_the_descriptor_table(facts):
    opened = []
    while True:
        opened.append(os.open("/dev/null", os.O_RDONLY))
        if len(opened) > 5000:
            return "no end"


def lower_a_limit_of_the_parent(facts):
    import resource

    return resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))


def raise_ones_own_limit(facts):
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as error:
        raise OSError(str(error)) from error
    return "raised"


def find_a_writable_library_path(facts):
    found = []
    for path in sys.path:
        try:
            os.close(os.open(os.path.join(path, "attack.tmp"), os.O_CREAT | os.O_WRONLY))
        except OSError:
            continue
        os.unlink(os.path.join(path, "attack.tmp"))
        found.append(path)
    if not found:
        raise OSError(f"none in {len(sys.path)}, {sysconfig.get_path('stdlib')}")
    return found
