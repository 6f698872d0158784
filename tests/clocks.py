"""Videos whose clock is broken, made on the spot: each of `frames` frames, a dot moving by a step a frame."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from tests import videos

FRAMES, RATE = 48, 24
WRAP = 1 << 33  # ticks of MPEG-TS, of which there are 90,000 a second


def retimed(source: Path, target: Path, stamp: Callable[[int, Any], tuple[int, int]]) -> Path:
    """Copy a video's packets with other times: `stamp` gets a packet's number and the packet."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        stream = before.streams.video[0]
        copy = after.add_stream_from_template(stream)
        packets = [packet for packet in before.demux(stream) if packet.size]
        times = [stamp(number, packet) for number, packet in enumerate(packets)]
        for packet, (pts, dts) in zip(packets, times, strict=True):
            packet.pts, packet.dts, packet.stream = pts, dts, copy
            after.mux(packet)
    return target


def moved(source: Path, target: Path, ticks: int) -> Path:
    """Copy a video, its clock moved by some ticks of the source's stream."""
    return retimed(source, target, lambda _, packet: (packet.pts + ticks, packet.dts + ticks))


def joined(target: Path, *parts: Path) -> Path:
    """Put files one behind the other, as `cat` does with recordings in MPEG-TS."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def packed(source: Path, target: Path) -> Path:
    """Pack the B-frames of an MPEG-4 video in AVI, as DivX and XviD do: two frames in a packet, then none."""
    marker = b"\0\0\1\xb2DivX503b1393p"
    nothing = b"\0\0\1\xb6\x50\0"  # vop_coded = 0: nothing has changed
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        stream = before.streams.video[0]
        copy = after.add_stream_from_template(stream)
        packets = [bytes(packet) for packet in before.demux(stream) if packet.size]
        kinds = [data[data.index(b"\0\0\1\xb6") + 4] >> 6 for data in packets]  # 0: I, 1: P, 2: B
        out: list[bytes] = []
        held: list[bytes] = []
        for at, data in enumerate(packets):
            if kinds[at] == 2:
                held.append(data)
                continue
            if held:
                out += [out.pop() + held[0], *held[1:], nothing]
                held = []
            out.append(data)
        if held:
            out += [out.pop() + held[0], *held[1:], nothing]
        start = out[0].index(b"\0\0\1\xb6")
        out[0] = out[0][:start] + marker + out[0][start:]
        for number, data in enumerate(out):
            packet = av.Packet(data)
            packet.pts = packet.dts = number
            packet.is_keyframe = number == 0
            packet.stream, packet.time_base = copy, stream.time_base
            after.mux(packet)
    return target


def plain(path: Path, codec: str = "libx264", frames: int = FRAMES, **options: str) -> Path:
    """A video in whatever container the name says."""
    return videos.write(path, frames, 96, 64, codec, rate=RATE, options=options)
