// A button with `data-enable="NAME"` enables the field of its form by that name, which is then sent along.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-enable]");
  if (!button) return;
  const field = button.form.elements[button.dataset.enable];
  field.disabled = false;
  field.focus();
});
