// Time series; see charts in the pages.
export {};
