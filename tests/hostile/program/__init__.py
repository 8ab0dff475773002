"""The hostile executor: native code that does in its container what a fallen sandbox would let it do.

Only the standard library and the wire package; copied into an image by tests/hostile/image.py.
"""
