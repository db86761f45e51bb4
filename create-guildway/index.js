#!/usr/bin/env node
import { runInit } from './src/init/command.js';

process.exitCode = await runInit(process.argv.slice(2));
