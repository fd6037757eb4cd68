// Stands in for packages that azurite loads at its start and never uses here: whatever is asked of it is a class.
module.exports = new Proxy(class {}, { get: () => class {} });
