import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The embedded mesh moves all its ports together by whole thousands.
const portOffset = 1000 * Number(process.env.FTE_PORT_OFFSET ?? 0);

export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/api": `http://127.0.0.1:${8080 + portOffset}` } },
  build: {
    // Files only, no data: addresses and no inline script: the page runs under `default-src 'self'`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: {
    environment: "jsdom",
    setupFiles: "tests/setup.ts",
    // Deadlines for a busy machine; nothing here waits for time to pass.
    testTimeout: 30_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
