/** Files that the bundler puts into the executable: importing one gives its path there. */
declare module '*.gz' {
  const path: string
  export default path
}
