"""Reach the network, or another process, by any kind of socket."""

import ctypes
import os
import socket

from syscall import call


def tcp(facts):
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM).fileno()


def tcp_over_ipv6(facts):
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM).fileno()


def udp(facts):
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno()


def udp_over_ipv6(facts):
    return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).fileno()


def multipath_tcp(facts):
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).fileno()


def raw(facts):
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).fileno()


def ping(facts):
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).fileno()


def unix_stream(facts):
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).fileno()


def unix_datagram(facts):
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).fileno()


def unix_by_path(facts):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(facts["socket_path"])
    return "connected"


def unix_by_abstract_name(facts):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\0" + facts["abstract"])
    return "connected"


def pair(facts):
    return [one.fileno() for one in socket.socketpair()]


def netlink(facts):
    return socket.socket(16, socket.SOCK_RAW, 0).fileno()


def packet(facts):
    return socket.socket(17, socket.SOCK_RAW, 0x300).fileno()


def vsock(facts):
    return socket.socket(40, socket.SOCK_STREAM).fileno()


def bluetooth(facts):
    return socket.socket(31, socket.SOCK_RAW, 1).fileno()


def kernel_crypto(facts):
    return socket.socket(38, socket.SOCK_SEQPACKET).fileno()


def send_with_fast_open(facts):
    with socket.socket() as one:
        return one.sendto(b"x", 0x20000000, ("127.0.0.1", facts["port"]))


def connect_to_the_host(facts):
    with socket.create_connection(("127.0.0.1", facts["port"])):
        return "connected"


def look_up_a_name(facts):
    return socket.getaddrinfo("localhost", 80)[0] if os.path.exists("/etc/hosts") else call(41, 198, 2, 2, 0)


def socket_call_by_number(facts):
    return call(41, 198, 2, 1, 0)


def connect_ones_own_channel_elsewhere(facts):
    address = ctypes.create_string_buffer(b"\0" * 16)  # AF_UNSPEC dissolves an association
    return [call(42, 203, fd, address, 16) for fd in range(3, 20)]


def pass_a_descriptor_over_ones_channel(facts):
    message = ctypes.create_string_buffer(b"\0" * 56)
    return call(46, 211, 3, message, 0)


def receive_a_descriptor_over_ones_channel(facts):
    message = ctypes.create_string_buffer(b"\0" * 56)
    return call(47, 212, 3, message, 0x40)


def accept_on_ones_channel(facts):
    return call(288, 242, 3, 0, 0, 0)


def ring_of_io(facts):
    return call(425, 425, 4, ctypes.create_string_buffer(b"\0" * 256))
