;; A contract without Python: it adds one to the first four bytes of its storage and returns the count.
;; It imports the raw interface that every contract has, `genlayer_sdk`.
(module
  (import "genlayer_sdk" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
  (import "genlayer_sdk" "storage_write" (func $storage_write (param i32 i32 i32 i32) (result i32)))
  (import "genlayer_sdk" "gl_call" (func $gl_call (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; 0: the slot id of the contract's data, SHA3-256(32 zero bytes, u32 0)
  (data (i32.const 0)
    "\37\2d\46\c3\ad\a9\f8\97\c7\4d\34\9b\bf\e0\e4\50\c7\98\16\7c\9f\58\0f\8d\af\85\de\f5\7e\96\c3\ea")
  ;; 32: the count, 40: room for the answer's descriptor
  ;; 64: the request {"Return": <integer>} as calldata, the integer's ULEB128 bytes follow at 72
  (data (i32.const 64) "\0e\06Return")

  (func $must (param $errno i32)
    (if (local.get $errno) (then unreachable)))

  ;; Writes the calldata form of a non-negative integer (value << 3 | 1, ULEB128) at $at; the end address.
  (func $put_integer (param $at i32) (param $value i64) (result i32)
    (local.set $value (i64.or (i64.shl (local.get $value) (i64.const 3)) (i64.const 1)))
    (block $done
      (loop $more
        (if (i64.lt_u (local.get $value) (i64.const 128))
          (then
            (i64.store8 (local.get $at) (local.get $value))
            (br $done)))
        (i64.store8 (local.get $at)
          (i64.or (i64.and (local.get $value) (i64.const 127)) (i64.const 128)))
        (local.set $value (i64.shr_u (local.get $value) (i64.const 7)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more)))
    (i32.add (local.get $at) (i32.const 1)))

  (func (export "_start")
    (call $must (call $storage_read (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 4)))
    (i32.store (i32.const 32) (i32.add (i32.load (i32.const 32)) (i32.const 1)))
    (call $must (call $storage_write (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 4)))
    (call $must
      (call $gl_call
        (i32.const 64)
        (i32.sub
          (call $put_integer (i32.const 72) (i64.extend_i32_u (i32.load (i32.const 32))))
          (i32.const 64))
        (i32.const 40)))))
