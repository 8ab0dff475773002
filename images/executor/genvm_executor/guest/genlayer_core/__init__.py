"""What the contract libraries of all lines share; `genlayer` is the line's own.

Values, storage, requests and declarations work alike in every line. Where one line differs from another its
own package says so: it subclasses what is here, or tells it its integers, texts and offsets.
"""
