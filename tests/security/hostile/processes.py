"""Start, outlive, signal or look into processes."""

import ctypes
import fcntl
import os
import signal
import subprocess

from syscall import call

_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def fork(facts):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def fork_until_nothing_is_left(facts):
    made = 0
    for _ in range(200):
        try:
            pid = os.fork()
        except OSError as error:
            last = error
            continue
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        made += 1
    if not made:
        raise last
    return made


def fork_twice_to_become_a_daemon(facts):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def vfork(facts):
    return _checked(call(58, -1))


def fork_by_number(facts):
    return _checked(call(57, -1))


def clone_by_number(facts):
    pid = call(56, 220, signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return pid


def clone_by_vfork(facts):
    pid = call(56, 220, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return pid


def clone_into_a_namespace(facts):
    pid = call(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return pid


def clone3(facts):
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD)
    pid = call(435, 435, arguments, 88)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def run_a_program(facts):
    return subprocess.run(["/bin/true"], check=True).returncode


def run_a_shell(facts):
    status = os.system("true")
    if status != 0:
        raise OSError(status, "no shell")
    return status


def spawn_a_program(facts):
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    return pid


def become_another_program(facts):
    os.execve("/proc/self/exe", ["python", "-c", "pass"], {})


def become_the_loader(facts):
    for loader in ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"):
        if os.path.exists(loader):
            os.execve(loader, [loader, "--help"], {})
    raise OSError("no loader")


def run_a_program_by_descriptor(facts):
    fd = os.open(os.__file__, os.O_RDONLY)
    return call(322, 281, fd, b"", 0, 0, 0x1000)


def make_a_program_in_memory(facts):
    return os.memfd_create("program")


def open_a_terminal(facts):
    return os.openpty()


def type_into_the_terminal(facts):
    return fcntl.ioctl(1, 0x5412, b"x")


def kill_everything(facts):
    os.kill(-1, signal.SIGKILL)
    return "killed"


def kill_ones_group(facts):
    os.killpg(0, signal.SIGKILL)
    return "killed"


def kill_the_parent(facts):
    os.kill(os.getppid(), signal.SIGKILL)
    return "killed"


def kill_the_first_process(facts):
    os.kill(1, signal.SIGKILL)
    return "killed"


def kill_siblings(facts):
    reached = []
    for pid in range(1, 200):
        if pid != os.getpid():
            try:
                os.kill(pid, 0)
            except OSError as error:
                last = error
                continue
            reached.append(pid)
    if not reached:
        raise last
    return reached


def signal_the_operators_process(facts):
    os.kill(facts["pid"], 0)
    return "reached"


def signal_a_thread_of_the_parent(facts):
    return call(200, 130, os.getppid(), signal.SIGTERM)


def signal_a_thread_by_group(facts):
    return call(234, 131, os.getppid(), os.getppid(), signal.SIGTERM)


def queue_a_signal(facts):
    return call(129, 138, os.getppid(), signal.SIGTERM, ctypes.create_string_buffer(128))


def signal_by_pidfd(facts):
    signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGTERM)
    return "sent"


def have_the_kernel_kill_the_parent(facts):
    """A pipe whose owner is the parent, with SIGKILL where SIGIO belongs."""
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, os.getppid())
    fcntl.fcntl(reader, 10, signal.SIGKILL)
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writer, b"x")
    raise OSError("judged by whether the parent lives")


def trace_the_parent(facts):
    return _checked(_LIBC.ptrace(16, os.getppid(), 0, 0))


def trace_the_operators_process(facts):
    return _checked(_LIBC.ptrace(16, facts["pid"], 0, 0))


def ask_to_be_traced(facts):
    return _checked(_LIBC.ptrace(0, 0, 0, 0))


def read_memory_of_the_parent(facts):
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    return call(310, 270, os.getppid(), vector, 1, vector, 1, 0)


def write_memory_of_the_parent(facts):
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    return call(311, 271, os.getppid(), vector, 1, vector, 1, 0)


def open_memory_of_the_parent(facts):
    return os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR)


def open_memory_of_oneself(facts):
    return os.open("/proc/self/mem", os.O_RDWR)


def read_the_environment_of_the_first_process(facts):
    return open("/proc/1/environ", "rb").read(10)


def read_the_command_line_of_the_operator(facts):
    return open(f"/proc/{facts['pid']}/cmdline", "rb").read(10)


def list_processes(facts):
    return os.listdir("/proc")


def list_descriptors_of_the_parent(facts):
    return os.listdir(f"/proc/{os.getppid()}/fd")


def take_a_descriptor_of_the_parent(facts):
    for fd in range(64):
        try:
            return os.open(f"/proc/{os.getppid()}/fd/{fd}", os.O_RDWR)
        except OSError as error:
            last = error
    raise last


def take_a_descriptor_by_pidfd(facts):
    return call(438, 438, 3, 0, 0)


def compare_kernel_objects(facts):
    return call(312, 272, os.getpid(), os.getppid(), 1, 0, 0)


def leave_the_session(facts):
    return os.setsid()


def leave_the_process_group(facts):
    os.setpgid(0, os.getppid())
    return "left"


def escape_the_parents_death(facts):
    return _checked(_LIBC.prctl(1, 0, 0, 0, 0))


def forbid_being_dumped(facts):
    return _checked(_LIBC.prctl(4, 0, 0, 0, 0))


def adopt_orphans(facts):
    return _checked(_LIBC.prctl(36, 1, 0, 0, 0))


def let_anyone_trace(facts):
    return _checked(_LIBC.prctl(0x59616D61, -1, 0, 0, 0))


def keep_capabilities(facts):
    return _checked(_LIBC.prctl(8, 1, 0, 0, 0))


def switch_seccomp_off(facts):
    return _checked(_LIBC.prctl(22, 1, 0, 0, 0))


def add_a_filter(facts):
    program = ctypes.create_string_buffer(16)
    return call(317, 277, 1, 8, program)


def add_a_landlock_layer(facts):
    return call(444, 444, 0, 0, 1)
