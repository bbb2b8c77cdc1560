import { defineConfig } from "vitest/config";
import all from "../../vitest.config.ts";

const { projects: _, ...settings } = all.test ?? {};

/** A run as every other, of a suite that is known to pass, to fail or to be left out. */
export default defineConfig({ test: { ...settings, include: ["test/gate/*.suite.ts"] } });
