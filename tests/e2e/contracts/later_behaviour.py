# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }
import random
import time

import genlayer as gl
from genlayer.types import *


class Did(gl.chain.Event):
    def __init__(self, what: str, /, **blob): ...


class Behaviour(gl.contract.Contract):
    """Whatever could differ from one run to another: randomness, order, time, and what the VM keeps."""

    count: u256
    names: gl.storage.TreeMap[str, u256]

    def __init__(self):
        pass

    @gl.public.write
    def good(self):
        words = [str(random.random()) for _ in range(20)]
        self.count += len(set(words))
        for word in set(words[:5]):
            self.names[word] = hash(word) % 2**32
        Did("good", order="".join(set(words))).emit()
        gl.contract.get_at(gl.message.sender_address).emit(on="decided").thanks(words[0])
        inner = gl.vm.spawn_sandbox(lambda: random.random() < 0.5)
        print("did", words[1], time.time(), inner)
        return [words, hash("text"), gl.vm.get_timestamp().isoformat(), list(self.names)]

    @gl.public.write
    def vm_error(self):
        raise ValueError(random.random())
