// Opens the pages that the report's tests write and reports what axe-core finds, what a page tries to load, and whether
// it scrolls sideways, at desktop and phone width. Needs Debian's chromium and, from npm, puppeteer-core and axe-core:
//   npm install --no-save puppeteer-core axe-core
//   cargo test -p jdl-core --test report pages_can && node tests/data/report/check_pages.js target/tmp/report
// Ends with status 1 if any page fails.
const fs = require('fs');
const path = require('path');
const load = (name) => require(require.resolve(name, { paths: [process.cwd(), __dirname] }));
const puppeteer = load('puppeteer-core');
const axe = load('axe-core').source;

(async () => {
  const folder = path.resolve(process.argv[2]);
  const pages = fs.readdirSync(folder).filter((file) => file.endsWith('.html'));
  const browser = await puppeteer.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  let failed = pages.length === 0;
  for (const file of pages) {
    for (const width of [1100, 320]) {
      const page = await browser.newPage();
      await page.setViewport({ width, height: 900 });
      await page.setBypassCSP(true); // for axe only: the page itself allows no script
      const loads = [];
      page.on('request', (request) => loads.push(request.url()));
      await page.goto('file://' + path.join(folder, file));
      await page.evaluate(axe);
      const found = await page.evaluate(() => axe.run());
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      const bad = found.violations.length > 0 || loads.length !== 1 || sideways;
      failed = failed || bad;
      console.log(`${bad ? 'FAIL' : 'ok  '} ${file} at ${width}px: ${found.passes.length} rules passed, ` +
        `${found.violations.length} violated ${found.violations.map((v) => v.id)}, ${loads.length - 1} loads` +
        `${sideways ? ', scrolls sideways' : ''}`);
      await page.close();
    }
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
})();
