"""Ask the kernel for powers, namespaces and rarely used machinery."""

import ctypes
import os

from syscall import call


def become_root(facts):
    os.setuid(0)
    if os.geteuid() != 0:
        raise OSError("not root")
    return "root"


def become_another_user(facts):
    os.setresuid(1, 1, 1)
    return "changed"


def become_another_group(facts):
    os.setgid(0)
    return "changed"


def join_groups(facts):
    os.setgroups([0])
    return "joined"


def set_capabilities(facts):
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    wanted = (ctypes.c_uint32 * 6)(0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return call(126, 91, header, wanted)


def make_a_user_namespace(facts):
    return call(272, 97, 0x10000000)


def make_a_mount_namespace(facts):
    return call(272, 97, 0x00020000)


def make_a_network_namespace(facts):
    return call(272, 97, 0x40000000)


def join_a_namespace(facts):
    return call(308, 268, 0, 0)


def mount(facts):
    return call(165, 40, b"none", b"/tmp", b"tmpfs", 0, 0)


def unmount(facts):
    return call(166, 39, b"/proc", 2)


def open_a_tree(facts):
    return call(428, 428, -100, b"/", 1)


def open_a_file_system(facts):
    return call(430, 430, b"tmpfs", 0)


def move_a_mount(facts):
    return call(429, 429, -100, b"/", -100, b"/tmp", 0)


def chroot(facts):
    os.chroot("/")
    return "changed"


def pivot_root(facts):
    return call(155, 41, b"/", b"/")


def open_with_a_handle(facts):
    return call(304, 265, 3, ctypes.create_string_buffer(32), 0)


def add_a_key(facts):
    return call(248, 217, b"user", b"k", b"v", 1, -3)


def use_the_keyring(facts):
    return call(250, 219, 0, -3, 0)


def request_a_key(facts):
    return call(249, 218, b"user", b"k", 0, 0)


def set_up_a_ring(facts):
    return call(425, 425, 1, ctypes.create_string_buffer(120))


def handle_page_faults(facts):
    return call(323, 282, 0x80000)


def open_a_performance_counter(facts):
    attributes = ctypes.create_string_buffer(b"\x01\0\0\0\x80\0\0\0" + b"\0" * 120)
    return call(298, 241, attributes, 0, -1, -1, 0)


def load_a_bpf_program(facts):
    return call(321, 280, 0, ctypes.create_string_buffer(64), 64)


def load_a_module(facts):
    return call(313, 273, 0, b"", 0)


def load_a_kernel(facts):
    return call(320, 294, 0, 0, 0, 0, 0)


def change_the_personality(facts):
    return call(135, 92, 0x0400000)


def reboot(facts):
    return call(169, 142, 0, 0, 0, 0)


def read_the_kernel_log(facts):
    return call(103, 116, 10, 0, 0)


def set_the_clock(facts):
    return call(227, 112, 0, (ctypes.c_int64 * 2)(0, -1))


def set_the_host_name(facts):
    return call(170, 161, b"", -1)


def swap_on(facts):
    return call(167, 224, b"/nowhere", 0)


def account(facts):
    return call(163, 89, 0)


def set_a_quota(facts):
    return call(179, 60, 0, b"/", 0, 0)


def watch_files(facts):
    return call(294, 26, 0)


def watch_the_whole_system(facts):
    return call(300, 262, 0, 0)


def make_secret_memory(facts):
    return call(447, 447, 0)


def share_memory(facts):
    return call(29, 194, 0, 4096, 0o1600)


def make_a_message_queue(facts):
    return call(68, 186, 0, 0o1600)


def make_a_semaphore(facts):
    return call(64, 190, 0, 1, 0o1600)


def open_a_posix_queue(facts):
    return call(240, 180, b"q", 0o102, 0o600, 0)


def change_a_local_descriptor_table(facts):
    return call(154, -1, 0, ctypes.create_string_buffer(64), 64)


def gain_port_access(facts):
    return call(172, -1, 3)


def move_pages_of_the_parent(facts):
    return call(279, 239, os.getppid(), 0, 0, 0, 0, 0)


def raise_ones_priority(facts):
    return call(141, 140, 0, 0, -20)


def run_in_real_time(facts):
    return call(144, 119, 0, 1, (ctypes.c_int * 1)(1))


def advise_the_memory_of_the_parent(facts):
    return call(440, 440, 3, 0, 0, 0, 0)


def splice(facts):
    return call(275, 76, 0, 0, 1, 0, 1, 0)


