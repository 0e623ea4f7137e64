{
  "targets": [
    {
      "target_name": "zbus",
      "sources": [
        "native/addon.cc",
        "native/addon_call.cc",
        "native/addon_check.cc",
        "native/addon_queue.cc",
        "native/addon_reader.cc",
        "native/addon_state.cc",
        "native/block.cc",
        "native/block_scan.cc",
        "native/buffer_pool.cc",
        "native/check.cc",
        "native/check_blocks.cc",
        "native/crc32c.cc",
        "native/cursor.cc",
        "native/definition.cc",
        "native/disk.cc",
        "native/engine.cc",
        "native/file_cache.cc",
        "native/filter.cc",
        "native/flusher.cc",
        "native/index.cc",
        "native/queue.cc",
        "native/queue_blocks.cc",
        "native/reader.cc",
        "native/read_only_vfs.cc",
        "native/recovery.cc",
        "native/scanner.cc",
        "native/seek.cc",
        "native/status.cc",
        "native/vfs.cc",
        "native/writer.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=8",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags": [
        "-O3",
        "-Wall",
        "-Wextra",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2",
        "-fstack-protector-strong",
        "-fvisibility=hidden"
      ],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "11.0"
      }
    }
  ]
}
