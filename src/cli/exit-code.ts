/** For scripts: 0 all is well; 1 the command failed or found a problem; 2 the command line is wrong. */
export type ExitCode = 0 | 1 | 2;
