// What every page has: colours, ages, forms, live events and the service worker.

import { keepAges } from "./ages.js";
import { sendForms } from "./forms.js";
import { follow } from "./live.js";
import { keepRegions } from "./regions.js";
import { showEvents } from "./events.js";
import { countSelected } from "./select.js";
import { switchTheme } from "./theme.js";
import { drawMaps } from "./maps.js";
import { registerWorker } from "./worker.js";

switchTheme();
keepAges();
sendForms();
countSelected();
drawMaps();
registerWorker();
if (document.body.dataset.live) {
  keepRegions();
  showEvents();
  follow();
}
