// Opens every page of a folder in headless Chromium, at desktop width, at phone width and as it is printed on A4, and reports
// what html-validate and axe-core find, what a page tries to load, and whether it scrolls sideways. Ends with status 1 if
// any page fails, or if there is none.
//   scripts/check-pages                                    the pages of the report's tests
//   node check_pages.js FOLDER [PICTURES]                  PICTURES: a folder for screenshots
const fs = require('fs');
const path = require('path');
const load = (name) => require(require.resolve(name, { paths: [process.cwd()] }));
const puppeteer = load('puppeteer-core');
const axe = load('axe-core').source;
const { HtmlValidate } = load('html-validate');

// The standard's own rules. Style rules of other houses are left out: maud writes void elements without a slash and
// booleans as it likes.
const validator = new HtmlValidate({ extends: ['html-validate:standard', 'html-validate:a11y'] });

(async () => {
  const folder = path.resolve(process.argv[2]);
  const pictures = process.argv[3] && path.resolve(process.argv[3]);
  const pages = fs.readdirSync(folder).filter((file) => file.endsWith('.html'));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  let failed = 0;
  const say = (wrong, what) => {
    failed += wrong ? 1 : 0;
    console.log(`${wrong ? 'FAIL' : 'ok  '} ${what}`);
  };
  for (const file of pages) {
    const found = (await validator.validateFile(path.join(folder, file))).results.flatMap((r) => r.messages);
    say(found.length > 0, `${file}: html-validate finds ${found.length}` +
      found.slice(0, 10).map((m) => `\n       line ${m.line}: ${m.message} (${m.ruleId})`).join(''));
    for (const width of [1100, 320]) {
      const page = await browser.newPage();
      await page.setViewport({ width, height: 900 });
      await page.setBypassCSP(true); // for axe only: the page itself allows no script
      const loads = [];
      page.on('request', (request) => loads.push(request.url()));
      await page.goto('file://' + path.join(folder, file));
      await page.evaluate(axe);
      const result = await page.evaluate(() => axe.run());
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      const bad = result.violations.length > 0 || loads.length !== 1 || sideways;
      say(bad, `${file} at ${width}px: ${result.passes.length} axe rules passed, ` +
        `${result.violations.length} violated ${result.violations.map((v) => v.id)}, ${loads.length - 1} loads` +
        `${sideways ? ', scrolls sideways' : ''}`);
      if (pictures) {
        await page.screenshot({ path: path.join(pictures, `${path.parse(file).name}-${width}.png`), fullPage: true });
      }
      await page.close();
    }
    const page = await browser.newPage();
    await page.goto('file://' + path.join(folder, file));
    const pdf = await page.pdf({ format: 'A4', path: pictures && path.join(pictures, `${path.parse(file).name}.pdf`) });
    say(pdf.length < 1000, `${file} prints on A4`);
    await page.close();
  }
  await browser.close();
  console.log(`${pages.length} pages, ${failed} checks failed`);
  process.exit(failed > 0 || pages.length === 0 ? 1 : 0);
})();
